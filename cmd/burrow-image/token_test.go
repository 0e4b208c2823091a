package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/burrow-run/burrow/internal/tokentest"
)

// tokens VAR REGISTRY [uses=N] [elsewhere]: stands before a registry, wants
// bearer tokens, and puts its address in VAR. Tokens expire once, after N
// requests. With elsewhere blobs are at another server.
func cmdTokens(ts *testscript.TestScript, _ bool, args []string) {
	to, err := url.Parse("http://" + args[1])
	ts.Check(err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	var o tokentest.Options
	e := &elsewhere{}
	for _, a := range args[2:] {
		if n, ok := strings.CutPrefix(a, "uses="); ok {
			o.Uses, err = strconv.Atoi(n)
			ts.Check(err)
			continue
		}
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e.asked.Add(1)
			if r.Header.Get("Authorization") != "" {
				e.told.Add(1)
			}
			proxy.ServeHTTP(w, r)
		}))
		ts.Defer(other.Close)
		// Another name for the loopback: a client compares names.
		o.Elsewhere = strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	}
	e.Server = tokentest.Start(proxy, o)
	ts.Defer(e.Close)
	ts.Setenv(args[0], e.Host())
	servers[e.Host()] = e
}

type elsewhere struct {
	*tokentest.Server
	asked, told atomic.Int64 // the other server: in all, and with credentials
}

// servers are those of all scripts, by their addresses, which no two share.
var servers = map[string]*elsewhere{}

// counted ADDRESS KEY=N...: what was asked of a server of tokens; N may be N+ for
// at least N.
func cmdCounted(ts *testscript.TestScript, _ bool, args []string) {
	s := servers[args[0]]
	c := s.Count()
	have := map[string]int{
		"tokens": c.Tokens, "refused": c.Refused, "expired": c.Expired, "wrong": c.Wrong, "basic": c.Basic, "blobs": c.Blobs,
		"elsewhere": int(s.asked.Load()), "told": int(s.told.Load()),
	}
	ts.Logf("%v", have)
	for _, a := range args[1:] {
		key, text, _ := strings.Cut(a, "=")
		text, least := strings.CutSuffix(text, "+")
		n, err := strconv.Atoi(text)
		ts.Check(err)
		got, known := have[key]
		if !known || got != n && (!least || got < n) {
			ts.Fatalf("%s is %d, want %s", key, got, fmt.Sprint(a))
		}
	}
}
