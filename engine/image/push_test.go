package image

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/oci/layout"

	"github.com/burrow-run/burrow/internal/hint"
)

// receive makes the registry take what is pushed. It returns the digests of
// the blobs that came.
func (r *registry) receive() *[]string {
	var mu sync.Mutex
	var blobs []string
	have := map[string]int{} // sizes, by digest or name of the upload
	r.hook = func(w http.ResponseWriter, q *http.Request) bool {
		b, _ := io.ReadAll(q.Body)
		mu.Lock()
		defer mu.Unlock()
		upload := path.Base(q.URL.Path)
		switch {
		case q.Method == http.MethodHead && strings.Contains(q.URL.Path, "/blobs/sha256:"):
			n, ok := have[upload]
			w.Header().Set("Content-Length", strconv.Itoa(n))
			if !ok {
				w.WriteHeader(http.StatusNotFound)
			}
		case q.Method == http.MethodPost:
			w.Header().Set("Location", q.URL.Path+"upload"+strconv.Itoa(len(have)))
			have["upload"+strconv.Itoa(len(have))] = 0
			w.WriteHeader(http.StatusAccepted)
		case q.Method == http.MethodPatch:
			have[upload] += len(b)
			w.Header().Set("Location", q.URL.Path)
			w.WriteHeader(http.StatusAccepted)
		case q.Method == http.MethodPut && strings.Contains(q.URL.Path, "/blobs/"):
			d := q.URL.Query().Get("digest")
			have[d] = have[upload]
			blobs = append(blobs, d)
			w.WriteHeader(http.StatusCreated)
		case q.Method == http.MethodPut:
			w.WriteHeader(http.StatusCreated)
		default:
			return false
		}
		return true
	}
	return &blobs
}

func pushInsecure() PushOptions {
	yes := true
	return PushOptions{Remote: Remote{SkipVerify: &yes}, RetryDelay: time.Millisecond}
}

func TestPushTwice(t *testing.T) {
	s := openStore(t, Options{})
	r := newRegistry(t, nil)
	blobs := r.receive()
	id := load(t, s, newOCIDir(t).layer(tarOf(t, ent{name: "f", data: "x"})).layer(tarOf(t, ent{name: "g", uid: 7})))
	first, err := s.Push(t.Context(), id, r.image(), pushInsecure())
	if err != nil || len(*blobs) != 3 {
		t.Fatal(*blobs, err)
	}
	second, err := s.Push(t.Context(), id, r.image(), pushInsecure())
	if err != nil || second != first || len(*blobs) != 3 {
		t.Error(*blobs, first, second, err)
	}
	if _, err := s.Remove(t.Context(), id, RemoveOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dirs.Data, "layers", "*")); len(left) > 0 {
		t.Error(left)
	}
}

// TestManifestGoesAsItCame: byte for byte, though nobody here would write it
// like that, as long as the registry has its blobs.
func TestManifestGoesAsItCame(t *testing.T) {
	l := newOCIDir(t)
	layer := tarOf(t, ent{name: "f", data: "x"})
	var z bytes.Buffer
	w, err := gzip.NewWriterLevel(&z, gzip.HuffmanOnly)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(layer); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l.layers = append(l.layers, l.blob(imgspec.MediaTypeImageLayerGzip, z.Bytes()))
	l.config.RootFS.DiffIDs = append(l.config.RootFS.DiffIDs, digest.FromBytes(layer))
	l.write()
	var odd bytes.Buffer
	if err := json.Indent(&odd, l.manifestRaw, " ", "   "); err != nil {
		t.Fatal(err)
	}
	l.raw = odd.Bytes()
	s := openStore(t, Options{})
	r := newRegistry(t, l)
	var got []byte
	sent := 0
	r.hook = func(w http.ResponseWriter, q *http.Request) bool {
		switch q.Method {
		case http.MethodPut:
			got, _ = io.ReadAll(q.Body)
			w.WriteHeader(http.StatusCreated)
			return true
		case http.MethodPost, http.MethodPatch:
			sent++
		}
		return false
	}
	if _, err := s.Pull(t.Context(), r.image(), insecure()); err != nil {
		t.Fatal(err)
	}
	d, err := s.Push(t.Context(), r.image(), "", pushInsecure())
	if err != nil || d != r.manifest || !bytes.Equal(got, odd.Bytes()) || sent > 0 {
		t.Errorf("%v: %s, not %s; %d blobs sent\n%s", err, d, r.manifest, sent, got)
	}
}

// TestOnlyWhatWasJudged: a registry cannot show one manifest to whoever checks
// the signature, and another to whoever fetches the image.
func TestOnlyWhatWasJudged(t *testing.T) {
	l := newOCIDir(t).layer(tarOf(t, ent{name: "f"}))
	from, err := layout.NewReference(l.write(), "")
	if err != nil {
		t.Fatal(err)
	}
	for d, want := range map[digest.Digest]bool{l.manifestDigest: true, digest.FromString("other"): false} {
		src, err := guarded{ImageReference: from, stall: time.Minute, only: []digest.Digest{d}}.NewImageSource(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = src.GetManifest(t.Context(), nil); (err == nil) != want {
			t.Errorf("%s: %v", d, err)
		}
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestPushTells: what stands in the way is told, in bounded time, with the way
// out where there is one.
func TestPushTells(t *testing.T) {
	refuse := func(code int, name, message string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, q *http.Request) bool {
			if q.Method != http.MethodPost {
				return q.Method == http.MethodHead && func() bool { w.WriteHeader(http.StatusNotFound); return true }()
			}
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, `{"errors":[{"code":"`+name+`","message":"`+message+`"}]}`)
			return true
		}
	}
	for name, c := range map[string]struct {
		hook       func(http.ResponseWriter, *http.Request) bool
		text, hint string
	}{
		"denied":  {refuse(403, "DENIED", "requested access to the resource is denied"), "denied", "burrow login "},
		"unknown": {refuse(404, "NAME_UNKNOWN", "repository name not known to registry"), "name unknown", "make it there first"},
		"full":    {refuse(507, "UNKNOWN", "no space"), "507", ""},
		"silent":  {func(_ http.ResponseWriter, q *http.Request) bool { <-q.Context().Done(); return true }, "silent", ""},
		"silent upload": {func(w http.ResponseWriter, q *http.Request) bool {
			if q.Method == http.MethodHead {
				w.WriteHeader(http.StatusNotFound)
			}
			if q.Method == http.MethodPost {
				<-q.Context().Done()
			}
			return q.Method == http.MethodHead || q.Method == http.MethodPost
		}, "silent", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, Options{Stall: 100 * time.Millisecond})
			r := newRegistry(t, nil)
			r.hook = c.hook
			id := load(t, s, newOCIDir(t).layer(tarOf(t, ent{name: "f", data: "x"})))
			_, err := s.Push(t.Context(), id, r.image(), pushInsecure())
			if err == nil || !strings.HasPrefix(err.Error(), "push "+r.image()+": ") || !strings.Contains(err.Error(), c.text) || !strings.Contains(hint.Of(err), c.hint) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v; hint %q", err, hint.Of(err))
			}
			t.Log(err)
		})
	}
}

func TestPushRetries(t *testing.T) {
	s := openStore(t, Options{})
	r := newRegistry(t, nil)
	r.receive()
	take := r.hook
	var failures atomic.Int64
	r.hook = func(w http.ResponseWriter, q *http.Request) bool {
		if q.Method == http.MethodPost && failures.Add(1) <= 2 {
			return reset(w)
		}
		return take(w, q)
	}
	id := load(t, s, newOCIDir(t).layer(tarOf(t, ent{name: "f", data: "x"})))
	o := pushInsecure()
	if _, err := s.Push(t.Context(), id, r.image(), o); err == nil {
		t.Error("no retry was asked for")
	}
	o.Retries = 2
	if _, err := s.Push(t.Context(), id, r.image(), o); err != nil {
		t.Error(err)
	}
}

// TestDamagedLayers: a file that is not what was unpacked goes nowhere, nor
// does what a link leads to.
func TestDamagedLayers(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("right"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(file string) error{
		"changed": func(f string) error { return os.WriteFile(f, []byte("wrong"), 0o600) },
		"longer":  func(f string) error { return os.WriteFile(f, []byte("right and more"), 0o600) },
		"gone":    os.Remove,
		"link":    func(f string) error { return errors.Join(os.Remove(f), os.Symlink(secret, f)) },
		"parent": func(f string) error {
			return errors.Join(os.RemoveAll(filepath.Dir(f)), os.Symlink(filepath.Dir(secret), filepath.Dir(f)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, Options{})
			layer := tarOf(t, ent{name: "d/", kind: '5'}, ent{name: "d/secret", data: "right"})
			id := load(t, s, newOCIDir(t).layer(layer))
			to := filepath.Join(t.TempDir(), "out")
			if _, err := s.Push(t.Context(), id, "dir:"+to, PushOptions{}); err != nil {
				t.Fatal(err) // the control: undamaged it goes
			}
			if err := os.RemoveAll(to); err != nil {
				t.Fatal(err)
			}
			if err := damage(filepath.Join(s.layerDir(digest.FromBytes(layer).Encoded()), "d/secret")); err != nil {
				t.Fatal(err)
			}
			_, err := s.Push(t.Context(), id, "dir:"+to, PushOptions{})
			if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "is damaged") || hint.Of(err) == "" {
				t.Error(err)
			}
			t.Log(err)
			if _, err := os.Lstat(to); err == nil {
				t.Error("something was left behind")
			}
		})
	}
}
