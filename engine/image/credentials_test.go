package image

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/burrow-run/burrow/internal/hint"
)

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
