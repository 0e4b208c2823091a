// Package tokentest is a server for tests that stands before a registry and
// wants bearer tokens, as docker.io does. It hands them out itself, for names and
// passwords, each for what was asked for and its user may do.
package tokentest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Options change what a server does.
type Options struct {
	// Uses is after how many requests all tokens that were handed out until then
	// expire, although they were said to be good for longer; 0 is never.
	Uses int
	// Elsewhere, if set, is the URL of another server that blobs are at.
	Elsewhere string
}

// Server is a running one. Users are user:secret, who may do everything, and
// reader:secret, who may pull; nobody may pull what begins with public/.
type Server struct {
	*httptest.Server
	opts Options

	mu     sync.Mutex
	tokens map[string]*token
	used   int // requests with good tokens
	count  Count
}

// Count says what has been asked for.
type Count struct {
	Tokens  int // that were handed out
	Refused int // names and passwords that were wrong
	Expired int // requests with an expired token
	Wrong   int // requests with a token for something else
	Basic   int // requests other than for tokens that had a name and password
	Blobs   int // requests for blobs that had a good token
}

type token struct {
	grants map[string]bool // "repository:NAME:ACTION"
	over   bool
}

// Start starts a server before a registry that is a handler.
func Start(registry http.Handler, opts Options) *Server {
	s := &Server{opts: opts, tokens: map[string]*token{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			s.hand(w, r)
		case s.allowed(w, r):
			if opts.Elsewhere != "" && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
				http.Redirect(w, r, opts.Elsewhere+r.URL.Path, http.StatusTemporaryRedirect)
				return
			}
			registry.ServeHTTP(w, r)
		}
	}))
	return s
}

// Host is the server's address.
func (s *Server) Host() string { return s.Listener.Addr().String() }

// Count says what has been asked for until now.
func (s *Server) Count() Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// hand answers a request for a token.
func (s *Server) hand(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, password, known := r.BasicAuth()
	if known && (password != "secret" || user != "user" && user != "reader") {
		s.count.Refused++
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}`)
		return
	}
	t := &token{grants: map[string]bool{}}
	for _, scope := range r.URL.Query()["scope"] {
		parts := strings.Split(scope, ":")
		if len(parts) != 3 {
			continue
		}
		for action := range strings.SplitSeq(parts[2], ",") {
			if user == "user" || action == "pull" && (user == "reader" || strings.HasPrefix(parts[1], "public/")) {
				t.grants[parts[0]+":"+parts[1]+":"+action] = true
			}
		}
	}
	s.count.Tokens++
	name := rand.Text()
	s.tokens[name] = t
	_ = json.NewEncoder(w).Encode(map[string]any{"token": name, "expires_in": 300, "issued_at": time.Now().UTC()})
}

var repository = regexp.MustCompile(`^/v2/(.+)/(?:manifests|blobs|tags|referrers)/`)

// allowed answers a request itself that has no good token.
func (s *Server) allowed(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	scope, action := "", ""
	if m := repository.FindStringSubmatch(r.URL.Path); m != nil {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			action = "pull"
		case http.MethodDelete:
			action = "delete"
		default:
			action = "push"
		}
		scope = "repository:" + m[1]
	}
	if _, _, basic := r.BasicAuth(); basic {
		s.count.Basic++
	}
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	t := s.tokens[bearer]
	problem := ""
	switch {
	case t == nil:
		problem = "invalid_token"
	case t.over:
		problem = "invalid_token"
		s.count.Expired++
	case scope != "" && !t.grants[scope+":"+action]:
		problem = "insufficient_scope"
		s.count.Wrong++
	default:
		if s.used++; s.used == s.opts.Uses {
			for _, t := range s.tokens {
				t.over = true
			}
		}
		if strings.Contains(r.URL.Path, "/blobs/") {
			s.count.Blobs++
		}
		return true
	}
	challenge := fmt.Sprintf(`Bearer realm="%s/token",service="test"`, s.URL)
	if scope != "" {
		challenge += fmt.Sprintf(`,scope="%s:%s"`, scope, action)
	}
	if bearer != "" {
		challenge += fmt.Sprintf(`,error="%s"`, problem)
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	w.WriteHeader(http.StatusUnauthorized)
	fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
	return false
}
