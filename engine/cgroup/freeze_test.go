package cgroup_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/burrow-run/burrow/engine/cgroup"
)

func TestFreeze(t *testing.T) {
	tree(t)
	for _, nested := range []bool{false, true} {
		t.Run(fmt.Sprintf("nested=%v", nested), func(t *testing.T) {
			g := makeGroup(t, "", cgroup.Options{Nested: nested})
			defer g.Remove(t.Context())
			pid := spinner(t, g.File())
			if cgroup.Frozen(g.Path(), id) {
				t.Fatal("frozen from the start")
			}
			if a, b := ticks(t, pid), later(t, pid); a == b {
				t.Fatal("the process does nothing: the test shows nothing")
			}
			if err := cgroup.Freeze(t.Context(), g.Path(), id, true); err != nil {
				t.Fatal(err)
			}
			if a, b := ticks(t, pid), later(t, pid); a != b || !cgroup.Frozen(g.Path(), id) {
				t.Errorf("it goes on: %s, %s", a, b)
			}
			if err := cgroup.Freeze(t.Context(), g.Path(), id, false); err != nil {
				t.Fatal(err)
			}
			if a, b := ticks(t, pid), later(t, pid); a == b || cgroup.Frozen(g.Path(), id) {
				t.Error("it does not go on")
			}
			u, err := cgroup.UsageOf(g.Path(), id)
			if err != nil || u.CPU <= 0 {
				t.Errorf("%+v, %v", u, err)
			}
		})
	}
}

func TestOnlyTheContainersOwnCgroup(t *testing.T) {
	tree(t)
	g := makeGroup(t, "", cgroup.Options{})
	defer g.Remove(t.Context())
	other := strings.Repeat("f", 64)
	for _, at := range []string{"/", "", g.Path(), filepath.Dir(g.Path()), "/burrow-" + other} {
		if err := cgroup.Freeze(t.Context(), at, other, true); err == nil {
			t.Errorf("%q was frozen as another container's", at)
		}
		if cgroup.Frozen(at, other) {
			t.Errorf("%q counts as frozen", at)
		}
		if _, err := cgroup.UsageOf(at, other); err == nil {
			t.Errorf("%q was measured", at)
		}
		if err := cgroup.Update(at, other, cgroup.Limits{Pids: 1}, nil); err == nil {
			t.Errorf("%q was limited", at)
		}
	}
}

// spinner is a process that uses its processor all the time.
func spinner(t *testing.T, in *os.File) int {
	t.Helper()
	cmd := exec.Command("sh", "-c", "while :; do :; done")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, UseCgroupFD: true, CgroupFD: int(in.Fd())}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
	return cmd.Process.Pid
}

func later(t *testing.T, pid int) string {
	t.Helper()
	time.Sleep(150 * time.Millisecond)
	return ticks(t, pid)
}

// ticks is the processor time of a process, user and system.
func ticks(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')'):]))
	return f[12] + "+" + f[13]
}
