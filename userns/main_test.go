package userns

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/nstest"
	"github.com/burrow-run/burrow/internal/probe"
	_ "github.com/burrow-run/burrow/userns/nsjoin" // the anchor
)

// Anchors are an unprivileged user's.
func TestMain(m *testing.M) { os.Exit(nstest.Unprivileged(m)) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// runDir is a run directory as the command line makes it.
func runDir(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "burrow")
	must(t, os.Mkdir(dir, 0o700))
	t.Cleanup(func() { _ = Stop(t.Context(), dir) })
	return dir
}

// alone are the options of somebody without sub-IDs.
func alone(t testing.TB, run string) Options {
	t.Helper()
	nstest.Need(t, probe.UserNamespace)
	return Options{
		Run:  run,
		UIDs: idmap.Map{{Container: 0, Host: uint32(os.Getuid()), Count: 1}},
		GIDs: idmap.Map{{Container: 0, Host: uint32(os.Getgid()), Count: 1}},
	}
}

// many are those of somebody with sub-IDs, which the helpers must map.
func many(t testing.TB, run string) Options {
	o := alone(t, run)
	o.UIDs = append(o.UIDs, idmap.Extent{Container: 1, Host: 4_000_000, Count: 10})
	o.GIDs = append(o.GIDs, idmap.Extent{Container: 1, Host: 4_000_000, Count: 10})
	return o
}

// children are the processes that this one has started and that live.
func children(t testing.TB) []string {
	t.Helper()
	out, _ := exec.Command("ps", "-o", "pid=,stat=,args=", "--ppid", fmt.Sprint(os.Getpid())).Output()
	var live []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) > 2 && !strings.HasPrefix(f[1], "Z") && f[2] != "ps" {
			live = append(live, line)
		}
	}
	return live
}

// noChildren waits until those that were killed are gone.
func noChildren(t testing.TB) {
	t.Helper()
	waitFor(t, "the processes it started to end", func() bool { return len(children(t)) == 0 })
}

// programs puts shell scripts into a directory that is all of PATH.
func programs(t *testing.T, scripts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range scripts {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755))
	}
	t.Setenv("PATH", dir)
}

func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
