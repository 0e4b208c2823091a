package image

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/burrow-run/burrow/internal/hint"
)

// copyInsecure also makes the image library look for signatures in the user's
// own place, as the executable does.
func copyInsecure(t *testing.T) CopyOptions {
	t.Setenv("_CONTAINERS_ROOTLESS_UID", "1000")
	t.Setenv("HOME", t.TempDir())
	yes := true
	return CopyOptions{Source: Remote{SkipVerify: &yes}, Dest: Remote{SkipVerify: &yes}, RetryDelay: time.Millisecond}
}

// TestCopyAsksNobodyElse: a layer that a manifest says is elsewhere is not
// fetched from there, and a copy that would have to fails before it has made
// anything (CVE-2020-15157).
func TestCopyAsksNobodyElse(t *testing.T) {
	layer := tarOf(t, ent{name: "f", data: "x"})
	other := newRegistry(t, nil)
	other.hook = func(w http.ResponseWriter, _ *http.Request) bool {
		_, _ = w.Write(layer)
		return true
	}
	l := newOCIDir(t).layer(layer)
	l.layers[0].URLs = []string{other.URL + "/foreign"}
	r := newRegistry(t, l)
	s := openStore(t, Options{})
	to := filepath.Join(t.TempDir(), "to")
	for _, dest := range []string{"dir:" + to, "docker-archive:" + to + ":a/b:c"} {
		if _, err := s.Copy(t.Context(), "docker://"+r.image(), dest, copyInsecure(t)); !errors.Is(err, ErrNotSupported) {
			t.Errorf("%s: %v", dest, err)
		}
		if _, err := os.Lstat(to); err == nil {
			t.Errorf("%s was made", dest)
		}
	}
	if n := other.hits.Load(); n > 0 {
		t.Errorf("%d requests elsewhere", n)
	}
	// A layout keeps the address, and asks nobody either.
	if _, err := s.Copy(t.Context(), "docker://"+r.image(), "oci:"+to+":x", copyInsecure(t)); err != nil || other.hits.Load() > 0 {
		t.Error(err, other.hits.Load())
	}
}

// TestCopyFails: a registry that misbehaves is an error in bounded time, and
// nothing is left where the image was to be.
func TestCopyFails(t *testing.T) {
	isBlob := func(q *http.Request) bool { return strings.Contains(q.URL.Path, "/blobs/") }
	for name, hook := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"silent": func(_ http.ResponseWriter, q *http.Request) bool {
			if isBlob(q) {
				<-q.Context().Done()
			}
			return isBlob(q)
		},
		"silent half-way": func(w http.ResponseWriter, q *http.Request) bool {
			if isBlob(q) {
				w.Header().Set("Content-Length", "100000")
				_, _ = w.Write([]byte("some"))
				_ = http.NewResponseController(w).Flush()
				<-q.Context().Done()
			}
			return isBlob(q)
		},
		"wrong blob": func(w http.ResponseWriter, q *http.Request) bool {
			if isBlob(q) {
				_, _ = w.Write([]byte("something else"))
			}
			return isBlob(q)
		},
		"reset": func(w http.ResponseWriter, q *http.Request) bool { return isBlob(q) && reset(w) },
		"500": func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, Options{Stall: 60 * time.Millisecond})
			r := newRegistry(t, newOCIDir(t).layer(tarOf(t, ent{name: "f", data: "x"})))
			r.hook = hook
			o := copyInsecure(t)
			o.Retries = 1
			for _, transport := range []string{"dir", "oci"} {
				to := filepath.Join(t.TempDir(), "to")
				_, err := s.Copy(t.Context(), "docker://"+r.image(), transport+":"+to, o)
				if err == nil || strings.Contains(err.Error(), "\n") {
					t.Errorf("%v", err)
				}
				t.Log(err)
				if _, err := os.Lstat(to); err == nil {
					t.Errorf("%s is left", transport)
				}
			}
			empty(t, s)
		})
	}
}

// TestCopyRetries: what may pass is tried again, also into dir:, which takes no
// directory with something in it.
func TestCopyRetries(t *testing.T) {
	s := openStore(t, Options{})
	l := newOCIDir(t).layer(tarOf(t, ent{name: "f"}))
	r := newRegistry(t, l)
	failures := 0
	r.hook = func(w http.ResponseWriter, q *http.Request) bool {
		if !strings.Contains(q.URL.Path, "/blobs/") || strings.HasSuffix(q.URL.Path, l.layers[0].Digest.String()) {
			return false // all but the configuration, which comes last
		}
		failures++
		if failures <= 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return failures <= 2
	}
	o := copyInsecure(t)
	to := "dir:" + filepath.Join(t.TempDir(), "to")
	o.Retries = 3
	if d, err := s.Copy(t.Context(), "docker://"+r.image(), to, o); err != nil || d != r.manifest || failures < 3 {
		t.Error(d, err, failures)
	}
}

// TestCopySlowly: a source that is slow, but not silent, is not given up.
func TestCopySlowly(t *testing.T) {
	s := openStore(t, Options{Stall: 100 * time.Millisecond})
	l := newOCIDir(t).layer(tarOf(t, ent{name: "f", data: strings.Repeat("x", 40)}))
	r := newRegistry(t, l)
	r.hook = func(w http.ResponseWriter, q *http.Request) bool {
		if !strings.HasSuffix(q.URL.Path, l.layers[0].Digest.String()) {
			return false
		}
		b, err := os.ReadFile(filepath.Join(r.dir, "blobs/sha256", filepath.Base(q.URL.Path)[len("sha256:"):]))
		if err != nil {
			t.Error(err)
		}
		for i := range 20 { // together three times what a silence may last
			_, _ = w.Write(b[i*len(b)/20 : (i+1)*len(b)/20])
			_ = http.NewResponseController(w).Flush()
			time.Sleep(75 * time.Millisecond)
		}
		return true
	}
	if _, err := s.Copy(t.Context(), "docker://"+r.image(), "dir:"+filepath.Join(t.TempDir(), "to"), copyInsecure(t)); err != nil {
		t.Error(err)
	}
}

// TestCopyRefuses what is no place.
func TestCopyRefuses(t *testing.T) {
	s := openStore(t, Options{})
	for _, text := range []string{"", "box", "docker:box", "sif:x", "ostree:x@/y", "containers-storage:", "burrow-storage:", "containers-storage:[overlay@/x]y", "containers-storage:[x", "docker://A", "oci:", "dir:", "oci-archive:", "docker-archive:", "docker-daemon:", "tarball:x"} {
		for _, pair := range [][2]string{{text, "dir:x"}, {"dir:x", text}} {
			_, err := s.Copy(t.Context(), pair[0], pair[1], CopyOptions{})
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q: %v", pair, err)
			}
			t.Log(err, "|", hint.Of(err))
		}
	}
}
