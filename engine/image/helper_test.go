package image

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"os"
	"path/filepath"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/burrow-run/burrow/internal/paths"
)

// ent is one tar entry, short to write.
type ent struct {
	name, link, data string
	kind             byte
	mode             int64
	uid, gid         int
}

func tarOf(t testing.TB, ents ...ent) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range ents {
		if e.kind == 0 {
			e.kind = tar.TypeReg
		}
		if e.mode == 0 {
			e.mode = 0o755
		}
		h := &tar.Header{Name: e.name, Linkname: e.link, Typeflag: e.kind, Mode: e.mode, Uid: e.uid, Gid: e.gid, Size: int64(len(e.data)), ModTime: time.Unix(1e9, 0)}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func openStore(t testing.TB, opts Options) *Store {
	t.Helper()
	base, err := os.MkdirTemp("/var/tmp", "burrow-image-test-") //nolint:usetesting // not tmpfs: overlay needs user attributes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	s, err := Open(paths.Dirs{
		Data: filepath.Join(base, "data"), State: filepath.Join(base, "state"), Cache: filepath.Join(base, "cache"), Run: filepath.Join(base, "run"),
	}, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// ociDir writes an OCI layout by hand, so that tests can make it wrong.
type ociDir struct {
	t   testing.TB
	dir string

	config   imgspec.Image
	layers   []imgspec.Descriptor
	manifest func(*imgspec.Manifest) // last changes
	raw      []byte                  // replaces the manifest
	rawConf  []byte                  // replaces the configuration

	manifestDigest digest.Digest // set by write
	manifestRaw    []byte        // likewise
}

func newOCIDir(t testing.TB) *ociDir {
	l := &ociDir{t: t, dir: t.TempDir()}
	l.config.OS, l.config.Architecture = "linux", "amd64"
	l.config.RootFS.Type = "layers"
	return l
}

// blob stores data and returns its descriptor.
func (l *ociDir) blob(mime string, data []byte) imgspec.Descriptor {
	l.t.Helper()
	d := digest.FromBytes(data)
	dir := filepath.Join(l.dir, "blobs", "sha256")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, d.Encoded()), data, 0o644); err != nil {
		l.t.Fatal(err)
	}
	return imgspec.Descriptor{MediaType: mime, Digest: d, Size: int64(len(data))}
}

func (l *ociDir) layer(data []byte) *ociDir {
	l.layers = append(l.layers, l.blob(imgspec.MediaTypeImageLayer, data))
	l.config.RootFS.DiffIDs = append(l.config.RootFS.DiffIDs, digest.FromBytes(data))
	return l
}

// write finishes the layout and returns its directory.
func (l *ociDir) write() string {
	l.t.Helper()
	conf := l.rawConf
	if conf == nil {
		conf = mustJSON(l.t, l.config)
	}
	m := imgspec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspec.MediaTypeImageManifest,
		Config: l.blob(imgspec.MediaTypeImageConfig, conf), Layers: l.layers,
	}
	if m.Layers == nil {
		m.Layers = []imgspec.Descriptor{}
	}
	if l.manifest != nil {
		l.manifest(&m)
	}
	raw := l.raw
	if raw == nil {
		raw = mustJSON(l.t, m)
	}
	desc := l.blob(imgspec.MediaTypeImageManifest, raw)
	l.manifestDigest, l.manifestRaw = desc.Digest, raw
	desc.Annotations = map[string]string{imgspec.AnnotationRefName: "test"}
	index := imgspec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, Manifests: []imgspec.Descriptor{desc}}
	for name, v := range map[string]any{"index.json": index, "oci-layout": imgspec.ImageLayout{Version: "1.0.0"}} {
		if err := os.WriteFile(filepath.Join(l.dir, name), mustJSON(l.t, v), 0o644); err != nil {
			l.t.Fatal(err)
		}
	}
	return l.dir
}

// quietLog swallows what a test server says of failed handshakes.
func quietLog() *log.Logger { return log.New(io.Discard, "", 0) }

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func load(t testing.TB, s *Store, l *ociDir) string {
	t.Helper()
	loaded, err := s.Load(context.Background(), l.write())
	if err != nil {
		t.Fatal(err)
	}
	return loaded[0].ID
}
