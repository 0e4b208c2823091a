package main

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// daemon VAR FILE: stands in for Docker's daemon, which keeps one image, in FILE,
// as it is loaded, and puts the address of its socket in VAR.
func cmdDaemon(ts *testscript.TestScript, _ bool, args []string) {
	file := ts.MkAbs(args[1])
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/_ping"):
			w.Header().Set("Api-Version", "1.44")
		case strings.HasSuffix(r.URL.Path, "/images/load"):
			f, err := os.Create(file)
			if err == nil {
				_, err = io.Copy(f, r.Body)
				_ = f.Close()
			}
			if err != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		case strings.Contains(r.URL.Path, "/images/") && strings.HasSuffix(r.URL.Path, "/get"), strings.HasSuffix(r.URL.Path, "/images/get"):
			http.ServeFile(w, r, file)
		default:
			http.NotFound(w, r)
		}
	}))
	dir, err := os.MkdirTemp("", "daemon-") // a socket's path must be short
	ts.Check(err)
	ts.Defer(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("unix", dir+"/sock")
	ts.Check(err)
	_ = server.Listener.Close()
	server.Listener = l
	server.Start()
	ts.Defer(server.Close)
	ts.Setenv(args[0], "unix://"+dir+"/sock")
}
