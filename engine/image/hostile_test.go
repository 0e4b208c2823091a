package image

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/burrow-run/burrow/engine/image/unpack"
	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
)

// empty fails unless nothing at all is stored, committed or half-way.
func empty(t *testing.T, s *Store) {
	t.Helper()
	images, err := s.List()
	if err != nil || len(images) > 0 {
		t.Errorf("images left: %v %v", images, err)
	}
	layers, err := s.store.Layers()
	if err != nil || len(layers) > 0 {
		t.Errorf("layers left: %d %v", len(layers), err)
	}
	ids, err := plan.IDs(s.dirs)
	if err != nil || len(ids) > 0 {
		t.Errorf("plans left: %v %v", ids, err)
	}
	for _, pattern := range []string{"overlay/staging/*", "tmp/*/*", "overlay-layers/*.tar-split.gz"} {
		if left, _ := filepath.Glob(filepath.Join(s.dirs.Storage(), pattern)); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// TestHostileImages: one clear line, nothing stored, quickly.
func TestHostileImages(t *testing.T) {
	good := func(t *testing.T) *ociDir { return newOCIDir(t).layer(tarOf(t, ent{name: "f", data: "x"})) }
	conf := func(s string) func(*ociDir) { return func(l *ociDir) { l.rawConf = []byte(s) } }
	for name, tt := range map[string]struct {
		spoil func(*ociDir)
		text  string // in the error
	}{
		"config empty":            {conf(""), "config"},
		"config no JSON":          {conf("hello"), "config"},
		"config a list":           {conf("[]"), "config"},
		"config null":             {conf("null"), "invalid image"},
		"config truncated":        {conf(`{"os":"linux"`), "config"},
		"config trailing":         {conf(`{"os":"linux"} {}`), "config"},
		"config wrong types":      {conf(`{"os":"linux","config":{"Env":"x"}}`), "config"},
		"config wrong types, cmd": {conf(`{"os":"linux","config":{"Cmd":{"a":1}}}`), "config"},
		"config duplicate key":    {conf(`{"os":"linux","os":"linux","rootfs":{"type":"layers"}}`), "duplicate"},
		"config nested":           {conf(strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)), "config"},
		"config nested lists":     {conf(strings.Repeat("[", 100_000)), "config"},
		"config 9 MB":             {conf(`{"os":"linux","author":"` + strings.Repeat("x", 9<<20) + `"}`), "config"},
		"config other OS":         {func(l *ociDir) { l.config.OS = "windows" }, ""},
		"config unknown arch":     {func(l *ociDir) { l.config.Architecture = "z80\x1b[2J" }, "architecture"},
		"diff ID wrong":           {func(l *ociDir) { l.config.RootFS.DiffIDs[0] = digest.FromString("other") }, "unpacks to"},
		"diff ID invalid":         {func(l *ociDir) { l.config.RootFS.DiffIDs[0] = "sha256:../../x" }, "diff ID"},
		"diff ID missing":         {func(l *ociDir) { l.config.RootFS.DiffIDs = nil }, "layers"},
		"diff ID too many":        {func(l *ociDir) { l.config.RootFS.DiffIDs = append(l.config.RootFS.DiffIDs, digest.FromString("x")) }, "layers"},
		"layer missing":           {func(l *ociDir) { l.layers[0].Digest = digest.FromString("absent") }, ""},
		"layer digest invalid":    {func(l *ociDir) { l.layers[0].Digest = "sha256:../../../../etc/passwd" }, "digest"},
		"layer digest algorithm":  {func(l *ociDir) { l.layers[0].Digest = "md5:d41d8cd98f00b204e9800998ecf8427e" }, "digest"},
		"layer digest wrong": {func(l *ociDir) {
			d := digest.FromString("claimed")
			old := filepath.Join(l.dir, "blobs/sha256", l.layers[0].Digest.Encoded())
			_ = os.Rename(old, filepath.Join(l.dir, "blobs/sha256", d.Encoded()))
			l.layers[0].Digest = d
		}, "igest"},
		"layer digest and diff ID wrong": {func(l *ociDir) {
			d := digest.FromString("claimed")
			old := filepath.Join(l.dir, "blobs/sha256", l.layers[0].Digest.Encoded())
			_ = os.Rename(old, filepath.Join(l.dir, "blobs/sha256", d.Encoded()))
			l.layers[0].Digest, l.config.RootFS.DiffIDs[0] = d, d
		}, "igest"},
		"layer size wrong": {func(l *ociDir) { l.layers[0].Size += 7 }, ""},
		"layer no tar": {func(l *ociDir) {
			l.layers = nil
			l.config.RootFS.DiffIDs = nil
			l.layer(bytes.Repeat([]byte("no tar "), 1000))
		}, "invalid layer"},
		"layer evil":       {func(l *ociDir) { l.layer(tarOf(l.t, ent{name: "../../evil"})) }, "../../evil"},
		"manifest no JSON": {func(l *ociDir) { l.raw = []byte("hello") }, ""},
		"manifest and index": {func(l *ociDir) {
			l.raw = []byte(`{"schemaVersion":2,"mediaType":"` + imgspec.MediaTypeImageManifest + `","config":{},"layers":[],"manifests":[]}`)
		}, ""},
		"manifest duplicate":  {func(l *ociDir) { l.raw = []byte(`{"schemaVersion":2,"schemaVersion":2,"layers":[]}`) }, "duplicate"},
		"manifest other type": {func(l *ociDir) { l.manifest = func(m *imgspec.Manifest) { m.MediaType = imgspec.MediaTypeImageIndex } }, ""},
		"manifest nested":     {func(l *ociDir) { l.raw = []byte(strings.Repeat(`{"a":`, 100_000)) }, ""},
		"manifest 5 MB": {func(l *ociDir) {
			l.manifest = func(m *imgspec.Manifest) { m.Annotations = map[string]string{"a": strings.Repeat("x", 5<<20)} }
		}, ""},
		"config digest escape": {func(l *ociDir) { l.manifest = func(m *imgspec.Manifest) { m.Config.Digest = "sha256:../../../x" } }, "digest"},
		"artifact": {func(l *ociDir) {
			l.rawConf = []byte("{}")
			l.manifest = func(m *imgspec.Manifest) { m.Config.MediaType = "application/vnd.oci.empty.v1+json" }
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, Options{Worker: "/proc/self/exe"})
			l := good(t)
			tt.spoil(l)
			start := time.Now()
			_, err := s.Load(t.Context(), l.write())
			if err == nil {
				t.Fatal("stored")
			}
			if !strings.Contains(err.Error(), tt.text) || strings.ContainsAny(err.Error(), "\n\x1b") || len(err.Error()) > 2000 {
				t.Errorf("not a clear line: %.3000q", err)
			}
			t.Log(err)
			if d := time.Since(start); d > 5*time.Second {
				t.Errorf("took %s", d)
			}
			empty(t, s)
		})
	}
}

// TestChunkedWithoutPadding: Skopeo 1.9 cuts the end of an archive off and keeps its diff ID.
func TestChunkedWithoutPadding(t *testing.T) {
	whole := append(tarOf(t, ent{name: "f", data: "x"}), make([]byte, 8<<10)...)
	for _, prefix := range []string{"io.containers.zstd-chunked.", "io.github.containers.zstd-chunked."} {
		s := openStore(t, Options{Worker: "/proc/self/exe"})
		l := newOCIDir(t).layer(whole[:len(whole)-8<<10])
		l.config.RootFS.DiffIDs[0] = digest.FromBytes(whole)
		l.layers[0].Annotations = map[string]string{prefix + "other": "x"}
		_, err := s.Load(t.Context(), l.write())
		if !errors.Is(err, ErrInvalid) || !strings.Contains(hint.Of(err), "zstd and gzip are whole") {
			t.Errorf("%v (hint %q)", err, hint.Of(err))
		}
		empty(t, s)
	}
}

func TestZeroLayers(t *testing.T) {
	s := openStore(t, Options{})
	p, err := plan.Read(s.dirs, load(t, s, newOCIDir(t)))
	if err != nil || len(p.Layers) != 0 {
		t.Errorf("%+v %v", p, err)
	}
}

// TestSameLayerTwice: the same content at two heights, and below two parents.
func TestSameLayerTwice(t *testing.T) {
	s := openStore(t, Options{})
	same, other := tarOf(t, ent{name: "f", data: "x"}), tarOf(t, ent{name: "g"})
	p, err := plan.Read(s.dirs, load(t, s, newOCIDir(t).layer(same).layer(same).layer(other).layer(same)))
	if err != nil || len(p.Layers) != 4 {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(p.Layers[0], "f")); err != nil {
		t.Error(err)
	}
	load(t, s, newOCIDir(t).layer(other).layer(same))
}

// TestBombs: a small file that unpacks to much stops early, frees its space,
// and does not hold the next one up.
func TestBombs(t *testing.T) {
	s := openStore(t, Options{Worker: "/proc/self/exe", Limits: unpack.Limits{Entries: 100, Bytes: 1 << 20}})
	for name, layer := range map[string][]byte{
		"bytes":   tarOf(t, ent{name: "f", data: strings.Repeat("x", 2<<20)}),
		"entries": tarOf(t, make200()...),
	} {
		_, err := s.Import(t.Context(), bytes.NewReader(layer), ImportOptions{})
		if !errors.Is(err, unpack.ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
		empty(t, s)
	}
	if _, err := s.Import(t.Context(), bytes.NewReader(tarOf(t, ent{name: "f"})), ImportOptions{}); err != nil {
		t.Error(err)
	}
}

func make200() []ent {
	var ents []ent
	for i := range 200 {
		ents = append(ents, ent{name: strings.Repeat("x", i+1)})
	}
	return ents
}

func TestInterrupted(t *testing.T) {
	s := openStore(t, Options{Worker: "/proc/self/exe"})
	ctx, cancel := context.WithCancel(t.Context())
	r := readerFunc(func([]byte) (int, error) {
		cancel()
		return 0, ctx.Err()
	})
	if _, err := s.Import(ctx, r, ImportOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	empty(t, s)
}

// TestCompressedArchive: what docker save | gzip makes is loaded, a bomb is not.
func TestCompressedArchive(t *testing.T) {
	zip := func(data []byte) string {
		path := filepath.Join(t.TempDir(), "archive.gz")
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(data)
		_ = z.Close()
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, worker := range []string{"", "/proc/self/exe"} {
		s := openStore(t, Options{Worker: worker, Limits: unpack.Limits{Bytes: 1 << 20}})
		id := load(t, s, newOCIDir(t).layer(tarOf(t, ent{name: "f"})))
		out := filepath.Join(t.TempDir(), "archive")
		if err := s.Save(t.Context(), []string{id}, out, SaveOptions{}); err != nil {
			t.Fatal(err)
		}
		plain, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if loaded, err := s.Load(t.Context(), zip(plain)); err != nil || loaded[0].ID != id {
			t.Error(loaded, err)
		}
		if _, err := s.Load(t.Context(), zip(make([]byte, 2<<20))); !errors.Is(err, unpack.ErrLimit) {
			t.Error(err)
		}
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
