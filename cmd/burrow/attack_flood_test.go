package main_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/testbed"
)

// floodMiB is what a container prints, floodRSS what a process of ours may have
// in memory for it: far less.
const (
	floodMiB = 400
	floodRSS = 64 << 10 // KiB
)

// TestFloodsAreNotKept shows V50 (CVE-2022-1708, CVE-2025-64329): what an exec or
// a container prints, read or not, does not pile up in the memory of whoever
// passes it on, and clients that go away take their descriptors along.
func TestFloodsAreNotKept(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		sh.run("burrow", "run", "-d", "--log-opt", "max-size=1m", "--name", "f", "busybox", "sh", "-c",
			fmt.Sprintf("until [ -e /go ]; do sleep 0.1; done; dd if=/dev/zero bs=1M count=%d 2>/dev/null; touch /done; sleep 1000", floodMiB))
		defer sh.try("burrow", "rm", "-f", "f")
		supervisor := supervisorOf(t, sh)

		cmd := sh.command("burrow", "exec", "f", "dd", "if=/dev/zero", "bs=1M", fmt.Sprint("count=", floodMiB))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		n, err := io.CopyN(io.Discard, out, (floodMiB-1)<<20) // the rest is more than a pipe takes: exec lives
		if err != nil {
			t.Fatalf("only %d bytes: %v", n, err)
		}
		if kib := peak(t, cmd.Process.Pid); kib > floodRSS {
			t.Errorf("exec has taken %d KiB", kib)
		}
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}

		before := descriptors(t, supervisor)
		for range 60 {
			cmd := sh.command("burrow", "attach", "f")
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(in, "x")
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
		sh.run("burrow", "exec", "f", "touch", "/go")
		waitFor(t, func() bool { return sh.try("burrow", "exec", "f", "test", "-e", "/done").code == 0 })
		if kib := peak(t, supervisor); kib > floodRSS {
			t.Errorf("the supervisor has taken %d KiB", kib)
		}
		if after := descriptors(t, supervisor); after > before {
			t.Errorf("the supervisor's table of descriptors grew from %d to %d", before, after)
		}
		logs, err := filepath.Glob(filepath.Join(sh.getenv("XDG_STATE_HOME"), "burrow", "containers", "*", "ctr.log*"))
		if err != nil || len(logs) == 0 {
			t.Fatal("no log", err)
		}
		for _, l := range logs {
			if info, err := os.Stat(l); err != nil || info.Size() > 2<<20 {
				t.Errorf("%s has %d bytes", l, info.Size())
			}
		}
		// The control: a process that keeps it all is seen to.
		keeps := sh.command("sh", "-c", fmt.Sprintf("x=$(head -c %d /dev/zero | tr '\\0' x); echo; read y", 2*floodRSS<<10))
		wait, err := keeps.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		said, err := keeps.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := keeps.Start(); err != nil {
			t.Fatal(err)
		}
		_, _ = said.Read(make([]byte, 1))
		if kib := peak(t, keeps.Process.Pid); kib < floodRSS {
			t.Errorf("control: %d KiB", kib)
		}
		wait.Close()
		_ = keeps.Wait()
	})
}

// supervisorOf is the process that waits for the one container there is.
func supervisorOf(t *testing.T, sh *shell) int {
	t.Helper()
	anchor := testbed.Anchor(sh.runtime)
	below, err := testbed.Below(anchor)
	if err != nil {
		t.Fatal(err)
	}
	own := nsOf(t, anchor, "user")
	for _, p := range below {
		if p.PID != anchor && nsOf(t, p.PID, "user") == own && strings.HasPrefix(p.Command, "burrow") {
			return p.PID
		}
	}
	t.Fatalf("no supervisor among %v", below)
	return 0
}

// peak is the most that the process has had in memory, in KiB.
func peak(t *testing.T, pid int) int {
	t.Helper()
	kib, err := strconv.Atoi(strings.TrimSuffix(status(t, fmt.Sprintf("/proc/%d/status", pid))["VmHWM"], " kB"))
	if err != nil {
		t.Fatal(err)
	}
	return kib
}

// descriptors is the size of the process's table of them, which never shrinks:
// the supervisor's cannot be listed by its user.
func descriptors(t *testing.T, pid int) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(status(t, fmt.Sprintf("/proc/%d/status", pid))["FDSize"], &n); err != nil {
		t.Fatal(err)
	}
	return n
}
