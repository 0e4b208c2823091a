package main_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestKilledRunStopsItsPull: nobody goes on fetching an image for a run that was killed.
func TestKilledRunStopsItsPull(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		asked, gone := make(chan struct{}), make(chan struct{})
		registry := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.URL.Path, "/manifests/") {
				return // yes, it is a registry
			}
			close(asked)
			<-r.Context().Done()
			close(gone)
		}))
		defer registry.Close()
		defer registry.CloseClientConnections()
		cmd := sh.command("burrow", "run", "--rm", "--tls-verify=false", strings.TrimPrefix(registry.URL, "http://")+"/x", "true")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-asked
		if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		select {
		case <-gone:
		case <-time.After(20 * time.Second):
			t.Error("the image is still being fetched")
		}
	})
}
