package image

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/storage/pkg/chunked/compressor"

	"github.com/burrow-run/burrow/engine/plan"
)

// noise is data that nothing compresses.
func noise(seed byte, size int) string {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return string(b)
}

// release is a version of an image that changes a little.
func release(t testing.TB, version string) []byte {
	return tarOf(t,
		ent{name: "etc/", kind: '5'},
		ent{name: "etc/version", data: version},
		ent{name: "usr/lib/a", data: noise(1, 900<<10)},
		ent{name: "usr/lib/b", data: noise(2, 900<<10)},
		ent{name: "usr/lib/c", data: noise(3, 900<<10)},
		ent{name: "usr/lib/holes", data: "x" + string(make([]byte, 100<<10)) + "y"},
		ent{name: "usr/bin/new", data: noise(version[0], 20<<10)},
		ent{name: "usr/bin/link", kind: '2', link: "new"},
	)
}

// chunkedBlob compresses a layer and says where its tables are.
func chunkedBlob(t testing.TB, plain []byte) ([]byte, map[string]string) {
	t.Helper()
	var b bytes.Buffer
	notes := map[string]string{}
	w, err := compressor.ZstdCompressor(&b, notes, nil)
	if err == nil {
		_, err = w.Write(plain)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), notes
}

// chunkedLayer adds a layer as zstd:chunked.
func (l *ociDir) chunkedLayer(plain []byte) *ociDir {
	blob, notes := chunkedBlob(l.t, plain)
	return l.blobLayer(plain, blob, notes)
}

func (l *ociDir) blobLayer(plain, blob []byte, notes map[string]string) *ociDir {
	d := l.blob(imgspec.MediaTypeImageLayerZstd, blob)
	d.Annotations = notes
	l.layers = append(l.layers, d)
	l.config.RootFS.DiffIDs = append(l.config.RootFS.DiffIDs, digest.FromBytes(plain))
	return l
}

// sending counts what a registry sends of the layer, and may answer in its place.
type sending struct {
	*registry
	blob   string
	bytes  atomic.Int64
	asked  atomic.Int64
	answer func(w http.ResponseWriter, q *http.Request) bool
}

func (s *sending) Write(w http.ResponseWriter, b []byte) (int, error) {
	n, err := w.Write(b)
	s.bytes.Add(int64(n))
	return n, err
}

type countedWriter struct {
	http.ResponseWriter
	to *sending
}

func (c countedWriter) Write(b []byte) (int, error) { return c.to.Write(c.ResponseWriter, b) }

// Unwrap lets a test take the connection.
func (c countedWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func sendingRegistry(t testing.TB, l *ociDir) *sending {
	s := &sending{registry: newRegistry(t, l)}
	s.blob = l.layers[len(l.layers)-1].Digest.String()
	s.hook = func(w http.ResponseWriter, q *http.Request) bool {
		if !strings.HasSuffix(q.URL.Path, s.blob) {
			return false
		}
		s.asked.Add(1)
		w = countedWriter{w, s}
		if s.answer == nil || !s.answer(w, q) {
			s.serve(w, q)
		}
		return true
	}
	return s
}

// logged is what a store said while fn ran.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) said(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

// since forgets what was said.
func (l *logged) since() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

const (
	saidParts = "the layer is fetched in parts"
	saidWhole = "the layer is fetched whole"
	saidAgain = "the layer is fetched again, whole"
)

func partsStore(t testing.TB) (*Store, *logged) {
	conf := filepath.Join(t.TempDir(), "storage.conf")
	if err := os.WriteFile(conf, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l := &logged{}
	return openStore(t, Options{Worker: "/proc/self/exe", StorageConf: StorageConf{Main: conf}, Logger: slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))}), l
}

// sound pulls the image, fails if it is not what l says, and returns its layer.
func sound(t *testing.T, s *Store, r *sending, version string) string {
	t.Helper()
	ids, err := s.Pull(t.Context(), r.image(), insecure())
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Resolve(s.dirs, r.image())
	if err != nil || p.ID != ids[0] || p.Digest != r.manifest.String() {
		t.Fatal(p, err)
	}
	got, err := os.ReadFile(filepath.Join(p.Layers[0], "etc/version"))
	if err != nil || string(got) != version {
		t.Errorf("version %q: %v", got, err)
	}
	bad, err := s.Check(t.Context(), false)
	for _, d := range bad {
		if d.ID == ids[0] {
			t.Error("damaged:", d.Problems)
		}
	}
	if err != nil {
		t.Error(err)
	}
	return filepath.Base(filepath.Dir(p.Layers[0]))
}

func TestPullInParts(t *testing.T) {
	s, log := partsStore(t)
	first, second := sendingRegistry(t, newOCIDir(t).chunkedLayer(release(t, "1"))), sendingRegistry(t, newOCIDir(t).chunkedLayer(release(t, "2")))
	sound(t, s, first, "1")
	whole := first.bytes.Load()
	if whole < 2<<20 || log.said(saidParts) {
		t.Errorf("%d bytes of a layer of which nothing is here", whole)
	}
	layer := sound(t, s, second, "2")
	if n := second.bytes.Load(); n > 60<<10 || !log.said(saidParts) || log.said(saidAgain) {
		t.Errorf("%d bytes sent of %d, which 20 KB have changed of", n, whole)
	}
	l, err := s.store.Layer(layer)
	if err != nil || l.CompressedDigest != "" {
		t.Error("the blob, which nobody has compared, is said to be the layer:", l, err)
	}

	second.asked.Store(0)
	sound(t, s, second, "2")
	if n := second.asked.Load(); n > 0 {
		t.Errorf("%d times was asked for a layer that is there", n)
	}

	// What came in parts is there to be taken from, and goes with its image.
	if _, err := s.Remove(t.Context(), first.image(), RemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	third := sendingRegistry(t, newOCIDir(t).chunkedLayer(release(t, "3")))
	sound(t, s, third, "3")
	if n := third.bytes.Load(); n > 60<<10 {
		t.Errorf("%d bytes sent", n)
	}
	for _, r := range []*sending{second, third} {
		if _, err := s.Remove(t.Context(), r.image(), RemoveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	empty(t, s)
	if left, _ := filepath.Glob(filepath.Join(s.dirs.Data, "layers", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestTablesOfOlderTools: without tar-split a layer comes whole, and is there to be taken from.
func TestTablesOfOlderTools(t *testing.T) {
	s, log := partsStore(t)
	for _, version := range []string{"1", "2"} {
		l := newOCIDir(t).chunkedLayer(release(t, version))
		delete(l.layers[0].Annotations, "io.github.containers.zstd-chunked.tarsplit-position")
		r := sendingRegistry(t, l)
		sound(t, s, r, version)
		if log.said(saidParts) || r.bytes.Load() != l.layers[0].Size {
			t.Errorf("%d bytes of %d", r.bytes.Load(), l.layers[0].Size)
		}
	}
	r := sendingRegistry(t, newOCIDir(t).chunkedLayer(release(t, "3")))
	sound(t, s, r, "3")
	if n := r.bytes.Load(); n > 60<<10 {
		t.Errorf("%d bytes sent", n)
	}
}

// TestPartsAreOptional: where it is not worth it, or switched off, layers come whole.
func TestPartsAreOptional(t *testing.T) {
	other := tarOf(t, ent{name: "etc/version", data: "9"}, ent{name: "f", data: noise(9, 2<<20)})
	small := tarOf(t, ent{name: "etc/version", data: "9"}, ent{name: "usr/lib/a", data: noise(1, 900<<10)})
	for name, tt := range map[string]struct {
		layer []byte
		conf  string
		spoil func(s *Store)
	}{
		"nothing in common":   {other, "", nil},
		"small":               {small, "", nil},
		"switched off":        {release(t, "9"), "[storage.options.pull_options]\nenable_partial_images = \"false\"\n", nil},
		"broken storage.conf": {release(t, "9"), "[[", nil},
		"broken notes": {release(t, "9"), "", func(s *Store) {
			files, _ := filepath.Glob(filepath.Join(s.dirs.Data, "layers/*.content"))
			for _, f := range files {
				if err := os.Truncate(f, 30); err != nil {
					t.Error(err)
				}
			}
		}},
		"notes of nonsense": {release(t, "9"), "", func(s *Store) {
			files, _ := filepath.Glob(filepath.Join(s.dirs.Data, "layers/*.content"))
			for _, f := range files {
				if err := os.WriteFile(f, []byte(noise(4, 10_000)), 0o600); err != nil {
					t.Error(err)
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s, log := partsStore(t)
			sound(t, s, sendingRegistry(t, newOCIDir(t).chunkedLayer(release(t, "1"))), "1")
			if err := os.WriteFile(s.opts.StorageConf.Main, []byte(tt.conf), 0o600); err != nil {
				t.Fatal(err)
			}
			if tt.spoil != nil {
				tt.spoil(s)
			}
			l := newOCIDir(t).chunkedLayer(tt.layer)
			r := sendingRegistry(t, l)
			sound(t, s, r, "9")
			if log.said(saidParts) || r.bytes.Load() < l.layers[0].Size {
				t.Errorf("%d bytes of %d", r.bytes.Load(), l.layers[0].Size)
			}
		})
	}
}
