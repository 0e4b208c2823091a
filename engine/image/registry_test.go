package image

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/burrow-run/burrow/engine/plan"
)

// registry is one that tests can make misbehave. It serves the blobs of an OCI
// layout; hook sees every request first and may answer it.
type registry struct {
	*httptest.Server
	dir      string
	manifest digest.Digest
	hook     func(w http.ResponseWriter, r *http.Request) bool
	hits     atomic.Int64
}

func newRegistry(t testing.TB, l *ociDir) *registry {
	r := unstarted(t, l)
	r.Start()
	return r
}

func unstarted(t testing.TB, l *ociDir) *registry {
	r := &registry{}
	if l != nil {
		r.dir = l.write()
		r.manifest = l.manifestDigest
	}
	r.Server = httptest.NewUnstartedServer(r)
	t.Cleanup(func() {
		r.CloseClientConnections()
		r.Close()
	})
	return r
}

func (r *registry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.hits.Add(1)
	if r.hook != nil && r.hook(w, q) {
		return
	}
	r.serve(w, q)
}

func (r *registry) serve(w http.ResponseWriter, q *http.Request) {
	parts := strings.Split(q.URL.Path, "/")
	want := parts[len(parts)-1]
	switch {
	case strings.HasSuffix(q.URL.Path, "/v2/"):
		return
	case strings.Contains(q.URL.Path, "/manifests/"):
		w.Header().Set("Content-Type", imgspec.MediaTypeImageManifest)
		if !strings.HasPrefix(want, "sha256:") {
			want = r.manifest.String()
		}
	case !strings.Contains(q.URL.Path, "/blobs/"):
		http.NotFound(w, q)
		return
	}
	http.ServeFile(w, q, filepath.Join(r.dir, "blobs/sha256", strings.TrimPrefix(want, "sha256:")))
}

func (r *registry) host() string { return r.Listener.Addr().String() }

func (r *registry) image() string { return r.host() + "/test:latest" }

var insecure = func() PullOptions { yes := true; return PullOptions{Remote: Remote{SkipVerify: &yes}} }

func TestPull(t *testing.T) {
	s := openStore(t, Options{Worker: "/proc/self/exe"})
	l := newOCIDir(t).layer(tarOf(t, ent{name: "f", data: "x"})).layer(tarOf(t, ent{name: "g"}))
	r := newRegistry(t, l)
	ids, err := s.Pull(t.Context(), r.image(), insecure())
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Resolve(s.dirs, r.image())
	if err != nil || p.ID != ids[0] || p.Digest != r.manifest.String() || len(p.Layers) != 2 {
		t.Fatal(p, err)
	}
	byDigest := r.host() + "/test@" + r.manifest.String()
	if p, err := plan.Resolve(s.dirs, byDigest); err != nil || p.ID != ids[0] {
		t.Error(p, err)
	}
	blobs := 0
	r.hook = func(_ http.ResponseWriter, q *http.Request) bool {
		if strings.Contains(q.URL.Path, "/blobs/") {
			blobs++
		}
		return false
	}
	if _, err := s.Pull(t.Context(), byDigest, insecure()); err != nil {
		t.Error(err)
	}
	if blobs > 1 { // the configuration
		t.Errorf("%d blobs fetched again", blobs)
	}
	before := r.hits.Load()
	for _, policy := range []Policy{PullMissing, PullNever} {
		o := insecure()
		o.Policy = policy
		if again, err := s.Pull(t.Context(), r.image(), o); err != nil || again[0] != ids[0] {
			t.Error(policy, again, err)
		}
	}
	if r.hits.Load() != before {
		t.Error("the registry was asked for an image that is there")
	}
	o := insecure()
	o.Policy = PullNewer
	if again, err := s.Pull(t.Context(), r.image(), o); err != nil || again[0] != ids[0] {
		t.Error(again, err)
	}
	o.Policy = PullNever
	if _, err := s.Pull(t.Context(), r.host()+"/other", o); err == nil || !strings.Contains(err.Error(), "never") {
		t.Error(err)
	}
	o.Policy = "sometimes"
	if _, err := s.Pull(t.Context(), r.image(), o); err == nil {
		t.Error("an unknown policy was accepted")
	}
}

// TestHostileRegistries: an error in bounded time, nothing stored.
func TestHostileRegistries(t *testing.T) {
	isBlob := func(q *http.Request) bool { return strings.Contains(q.URL.Path, "/blobs/") }
	isManifest := func(q *http.Request) bool { return strings.Contains(q.URL.Path, "/manifests/") }
	status := func(code int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(code)
			return true
		}
	}
	for name, hook := range map[string]func(http.ResponseWriter, *http.Request) bool{
		"500": status(500),
		"404": status(404),
		"401 loop": func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(401)
			return true
		},
		"redirect loop": func(w http.ResponseWriter, q *http.Request) bool {
			http.Redirect(w, q, q.URL.Path, http.StatusFound)
			return true
		},
		"redirect file": func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Location", "file:///etc/passwd")
			w.WriteHeader(302)
			return true
		},
		"reset":          func(w http.ResponseWriter, q *http.Request) bool { return isBlob(q) && reset(w) },
		"manifest reset": func(w http.ResponseWriter, q *http.Request) bool { return isManifest(q) && reset(w) },
		"truncated": func(w http.ResponseWriter, q *http.Request) bool {
			if isBlob(q) {
				w.Header().Set("Content-Length", "100000")
				_, _ = w.Write([]byte("short"))
			}
			return isBlob(q)
		},
		"silent": func(_ http.ResponseWriter, q *http.Request) bool {
			if isBlob(q) {
				<-q.Context().Done()
			}
			return isBlob(q)
		},
		"silent manifest": func(_ http.ResponseWriter, q *http.Request) bool {
			if isManifest(q) {
				<-q.Context().Done()
			}
			return isManifest(q)
		},
		"silent ping": func(_ http.ResponseWriter, q *http.Request) bool { <-q.Context().Done(); return true },
		"silent half-way": func(w http.ResponseWriter, q *http.Request) bool {
			if isBlob(q) {
				w.Header().Set("Content-Length", "100000")
				_, _ = w.Write([]byte("some"))
				_ = http.NewResponseController(w).Flush()
				<-q.Context().Done()
			}
			return isBlob(q)
		},
		"huge manifest": func(w http.ResponseWriter, q *http.Request) bool {
			if isManifest(q) {
				w.Header().Set("Content-Type", imgspec.MediaTypeImageManifest)
				for range 6 << 10 {
					if _, err := w.Write(make([]byte, 1<<10)); err != nil {
						break
					}
				}
			}
			return isManifest(q)
		},
		"wrong blob": func(w http.ResponseWriter, q *http.Request) bool {
			if isBlob(q) {
				_, _ = w.Write([]byte("something else"))
			}
			return isBlob(q)
		},
		"cyclic index": func(w http.ResponseWriter, q *http.Request) bool {
			if isManifest(q) {
				w.Header().Set("Content-Type", imgspec.MediaTypeImageIndex)
				_, _ = fmt.Fprintf(w, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"digest":"sha256:%064d","size":1,"platform":{"os":"linux","architecture":"amd64"}}]}`,
					imgspec.MediaTypeImageIndex, imgspec.MediaTypeImageIndex, 1)
			}
			return isManifest(q)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t, Options{Worker: "/proc/self/exe", Stall: 300 * time.Millisecond})
			r := newRegistry(t, newOCIDir(t).layer(tarOf(t, ent{name: "f", data: "x"})))
			r.hook = hook
			o := insecure()
			o.Retries, o.RetryDelay = 1, time.Millisecond
			start := time.Now()
			_, err := s.Pull(t.Context(), r.image(), o)
			if err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
			t.Log(err)
			if d := time.Since(start); d > 15*time.Second {
				t.Errorf("took %s", d)
			}
			empty(t, s)
		})
	}
}

// reset ends the connection as a crashed server does.
func reset(w http.ResponseWriter) bool {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return false
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
	return true
}

func TestRetry(t *testing.T) {
	s := openStore(t, Options{})
	r := newRegistry(t, newOCIDir(t).layer(tarOf(t, ent{name: "f"})))
	var failures atomic.Int64
	r.hook = func(w http.ResponseWriter, q *http.Request) bool {
		return strings.Contains(q.URL.Path, "/manifests/") && failures.Add(1) <= 2 && reset(w)
	}
	o := insecure()
	o.Retries, o.RetryDelay = 3, time.Millisecond
	if _, err := s.Pull(t.Context(), r.image(), o); err != nil {
		t.Error(err)
	}
}
