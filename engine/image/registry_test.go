package image

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
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

// TestCredentialsStayHome: no other host than the registry gets them, whatever
// a manifest or redirect says.
func TestCredentialsStayHome(t *testing.T) {
	var mu sync.Mutex
	var leaked []string
	other := newRegistry(t, nil)
	layer := tarOf(t, ent{name: "f", data: "x"})
	other.hook = func(w http.ResponseWriter, q *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if a := q.Header.Get("Authorization"); a != "" {
			leaked = append(leaked, q.URL.Path+" "+a)
		}
		if strings.Contains(q.URL.Path, "/foreign") {
			leaked = append(leaked, "foreign URL was fetched")
		}
		_, _ = w.Write(layer)
		return true
	}
	// Another name for the loopback: Go compares names.
	elsewhere := "http://localhost:" + other.host()[strings.LastIndexByte(other.host(), ':')+1:]
	l := newOCIDir(t).layer(layer)
	l.layers[0].URLs = []string{elsewhere + "/foreign"}
	r := newRegistry(t, l)
	r.hook = func(w http.ResponseWriter, q *http.Request) bool {
		if user, _, _ := q.BasicAuth(); user != "user" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		if strings.HasSuffix(q.URL.Path, l.layers[0].Digest.String()) {
			http.Redirect(w, q, elsewhere+"/blob", http.StatusTemporaryRedirect)
			return true
		}
		return false
	}
	s := openStore(t, Options{})
	o := insecure()
	o.Remote.Creds = &Credentials{"user", "secret"}
	if _, err := s.Pull(t.Context(), r.image(), o); err != nil {
		t.Error(err)
	}
	if len(leaked) > 0 || other.hits.Load() != 1 {
		t.Errorf("%v, %d requests elsewhere", leaked, other.hits.Load())
	}
	o.Remote.Creds = nil
	if _, err := s.Pull(t.Context(), r.image(), o); err == nil || !strings.HasPrefix(hint.Of(err), "burrow login ") {
		t.Errorf("%v (%s)", err, hint.Of(err))
	}
}

// certificate makes a server certificate for names and the PEM of its issuer.
func certificate(t testing.TB, notAfter time.Time, names ...string) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: notAfter,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestTLS(t *testing.T) {
	soon := time.Now().Add(time.Hour)
	for name, tt := range map[string]struct {
		until time.Time
		names []string
		trust bool
		ok    bool
	}{
		"trusted":    {soon, []string{"127.0.0.1"}, true, true},
		"unknown":    {soon, []string{"127.0.0.1"}, false, false},
		"wrong name": {soon, []string{"example.org"}, true, false},
		"expired":    {time.Now().Add(-time.Hour), []string{"127.0.0.1"}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			cert, ca := certificate(t, tt.until, tt.names...)
			r := unstarted(t, newOCIDir(t).layer(tarOf(t, ent{name: "f"})))
			r.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
			r.Config.ErrorLog = quietLog()
			r.StartTLS()
			o := PullOptions{Remote: Remote{CertDir: t.TempDir()}}
			if tt.trust {
				if err := os.WriteFile(filepath.Join(o.Remote.CertDir, "ca.crt"), ca, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s := openStore(t, Options{})
			_, err := s.Pull(t.Context(), r.image(), o)
			if tt.ok != (err == nil) {
				t.Error(err)
			}
			if err != nil && !strings.Contains(hint.Of(err), "--cert-dir") {
				t.Errorf("hint %q", hint.Of(err))
			}
			if _, err := s.Pull(t.Context(), r.image(), insecure()); err != nil {
				t.Error("not verifying:", err)
			}
		})
	}
}

// TestBlobRedirectIsVerified: the host that a registry redirects to needs a
// good certificate too.
func TestBlobRedirectIsVerified(t *testing.T) {
	cert, ca := certificate(t, time.Now().Add(time.Hour), "127.0.0.1")
	other, _ := certificate(t, time.Now().Add(time.Hour), "127.0.0.1")
	l := newOCIDir(t).layer(tarOf(t, ent{name: "f"}))
	good, evil := unstarted(t, l), unstarted(t, l)
	for r, c := range map[*registry]tls.Certificate{good: cert, evil: other} {
		r.TLS = &tls.Config{Certificates: []tls.Certificate{c}}
		r.Config.ErrorLog = quietLog()
		r.StartTLS()
	}
	good.hook = func(w http.ResponseWriter, q *http.Request) bool {
		if strings.Contains(q.URL.Path, "/blobs/") {
			http.Redirect(w, q, evil.URL+q.URL.Path, http.StatusTemporaryRedirect)
			return true
		}
		return false
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ca.crt"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, Options{})
	if _, err := s.Pull(t.Context(), good.image(), PullOptions{Remote: Remote{CertDir: dir}}); err == nil {
		t.Error("a blob came from a host that nobody vouches for")
	}
	if evil.hits.Load() > 0 {
		t.Error("a request got through")
	}
}

func TestLogin(t *testing.T) {
	r := newRegistry(t, newOCIDir(t).layer(tarOf(t, ent{name: "f"})))
	r.hook = func(w http.ResponseWriter, q *http.Request) bool {
		if u, p, _ := q.BasicAuth(); u != "user" || p != "secret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
		return false
	}
	s := openStore(t, Options{})
	yes := true
	remote := Remote{AuthFile: filepath.Join(t.TempDir(), "auth.json"), SkipVerify: &yes}
	with := func(user, password string) Remote {
		remote := remote
		remote.Creds = &Credentials{user, password}
		return remote
	}
	if err := s.Login(t.Context(), r.host(), with("user", "wrong")); err == nil || !strings.Contains(err.Error(), "refuses") {
		t.Error(err)
	}
	if err := s.Login(t.Context(), r.host(), with("user", "secret")); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(remote.AuthFile); err != nil || st.Mode().Perm() != 0o600 {
		t.Error(st, err)
	}
	if u, err := s.LoginOf(r.host(), remote); u != "user" || err != nil {
		t.Error(u, err)
	}
	if _, err := s.Pull(t.Context(), r.image(), PullOptions{Remote: remote}); err != nil {
		t.Error(err)
	}
	if err := s.Logout(r.host(), remote); err != nil {
		t.Error(err)
	}
	if err := s.Logout(r.host(), remote); err == nil {
		t.Error("logged out twice")
	}
}

func TestResolveNames(t *testing.T) {
	s := openStore(t, Options{})
	conf := filepath.Join(t.TempDir(), "registries.conf")
	sys, err := s.system()
	if err != nil {
		t.Fatal(err)
	}
	sys.SystemRegistriesConfPath, sys.SystemRegistriesConfDirPath = conf, t.TempDir()
	for i, tt := range []struct{ conf, name, want string }{
		{"", "deb", "docker.io/library/deb:latest"},
		{"", "me/deb:1", "docker.io/me/deb:1"},
		{"", "docker://quay.io/x", "quay.io/x:latest"},
		{"", "localhost:5000/x", "localhost:5000/x:latest"},
		{"", "x:t@sha256:" + strings.Repeat("a", 64), "docker.io/library/x@sha256:" + strings.Repeat("a", 64)},
		{`unqualified-search-registries = ["a.io","b.io"]`, "deb", "a.io/deb:latest b.io/deb:latest"},
		{"[aliases]\n\"deb\" = \"q.io/debian\"", "deb:v", "q.io/debian:v"},
		{"", "UPPER", ""},
		{"", "a b", ""},
		{"", "", ""},
	} {
		path := fmt.Sprintf("%s%d", conf, i) // the library caches by path
		if err := os.WriteFile(path, []byte(tt.conf), 0o600); err != nil {
			t.Fatal(err)
		}
		sys.SystemRegistriesConfPath = path
		got, err := resolve(sys, tt.name)
		if strings.Join(texts(got), " ") != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%q: %v %v", tt.name, texts(got), err)
		}
	}
}

func TestOtherTransports(t *testing.T) {
	s := openStore(t, Options{})
	id := load(t, s, newOCIDir(t).layer(tarOf(t, ent{name: "f"})))
	dir := t.TempDir()
	if err := s.Tag(t.Context(), id, []string{"app"}); err != nil {
		t.Fatal(err)
	}
	for format, prefix := range map[Format]string{FormatOCIArchive: "oci-archive:", FormatOCIDir: "oci:", FormatDockerArchive: "docker-archive:", FormatDockerDir: "dir:"} {
		path := filepath.Join(dir, string(format))
		if err := s.Save(context.Background(), []string{"app"}, path, SaveOptions{Format: format}); err != nil {
			t.Fatal(err)
		}
		other := openStore(t, Options{})
		ids, err := other.Pull(t.Context(), prefix+path, PullOptions{})
		if err != nil || !slices.Equal(ids, []string{id}) {
			t.Errorf("%s: %v %v", format, ids, err)
			continue
		}
		p, err := plan.Read(other.dirs, id)
		if format == FormatDockerDir { // has no name of its own; this path is none either, it has capitals
			continue
		}
		if err != nil || !slices.Equal(p.Names, []string{"localhost/app:latest"}) {
			t.Errorf("%s: %v %v", format, p, err)
		}
	}
	for _, ref := range []string{"docker-daemon:x", "containers-storage:x", "dir:/absent", "oci:/absent", "oci-archive:/absent", "docker-archive:/absent"} {
		if _, err := s.Pull(t.Context(), ref, PullOptions{}); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

func TestPlatforms(t *testing.T) {
	l := newOCIDir(t)
	index := imgspec.Index{MediaType: imgspec.MediaTypeImageIndex}
	index.SchemaVersion = 2
	ids := map[string]string{}
	for _, arch := range []string{"amd64", "arm64", "riscv64"} {
		one := newOCIDir(t)
		one.dir = l.dir
		one.config.Architecture = arch
		one.layer(tarOf(t, ent{name: arch})).write()
		index.Manifests = append(index.Manifests, imgspec.Descriptor{
			MediaType: imgspec.MediaTypeImageManifest, Digest: one.manifestDigest, Size: int64(len(one.manifestRaw)),
			Platform: &imgspec.Platform{OS: "linux", Architecture: arch},
		})
		ids[arch] = digest.FromBytes(mustJSON(t, one.config)).Encoded()
	}
	raw := l.blob(imgspec.MediaTypeImageIndex, mustJSON(t, index))
	r := newRegistry(t, nil)
	r.dir, r.manifest = l.dir, raw.Digest
	r.hook = func(w http.ResponseWriter, q *http.Request) bool {
		if strings.HasSuffix(q.URL.Path, "/latest") || strings.HasSuffix(q.URL.Path, raw.Digest.String()) {
			w.Header().Set("Content-Type", imgspec.MediaTypeImageIndex)
			_, _ = w.Write(mustJSON(t, index))
			return true
		}
		return false
	}
	s := openStore(t, Options{})
	for _, arch := range []string{"arm64", "riscv64", "amd64"} {
		o := insecure()
		o.OS, o.Arch = "linux", arch
		got, err := s.Pull(t.Context(), r.image(), o)
		if err != nil || got[0] != ids[arch] {
			t.Errorf("%s: %v %v", arch, got, err)
		}
	}
	o := insecure()
	o.OS, o.Arch = "linux", "s390x"
	if _, err := s.Pull(t.Context(), r.image(), o); err == nil || strings.Contains(err.Error(), "\n") {
		t.Error(err)
	}
	// By the list's digest too, and up to date by it.
	if p, err := plan.Resolve(s.dirs, r.host()+"/test@"+raw.Digest.String()); err != nil || p.ID != ids["amd64"] {
		t.Error(p, err)
	}
	before := r.hits.Load()
	o.Arch, o.Policy = "amd64", PullNewer
	if _, err := s.Pull(t.Context(), r.image(), o); err != nil || r.hits.Load() > before+2 {
		t.Error(r.hits.Load()-before, err)
	}
}
