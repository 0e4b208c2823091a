package testbed

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestSkippedSaysWhy(t *testing.T) {
	out := "=== RUN   TestScript\n--- SKIP: TestScript/x (0.00s)\n    testscript.go:1: net: no tun\nPASS\n"
	m := skipped.FindStringSubmatch(out)
	if m == nil || !strings.Contains(m[1], "net: no tun") {
		t.Errorf("%q", m)
	}
	if skipped.MatchString("--- PASS: TestScript (0.00s)\nPASS\n") {
		t.Error("a pass looks like a skip")
	}
}

func TestOwns(t *testing.T) {
	ranges := [][2]int{{1000, 1}, {100000, 65536}}
	for uid, want := range map[int]bool{999: false, 1000: true, 1001: false, 99999: false, 100000: true, 165535: true, 165536: false} {
		if got := Owns(ranges, uid); got != want {
			t.Errorf("%d: %v", uid, got)
		}
	}
}

// TestLeft shows that the census sees what it is for: a container's directory,
// a name, a process.
func TestLeft(t *testing.T) {
	state, run := t.TempDir(), t.TempDir()
	if left, err := Left(state, run); err != nil || len(left) > 0 {
		t.Errorf("of nothing: %v %v", left, err)
	}
	for _, d := range []string{"containers/abc", "names"} {
		if err := os.MkdirAll(filepath.Join(state, "burrow", d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(state, "burrow/names/x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	left, err := Left(state, run)
	if err != nil || len(left) != 2 {
		t.Errorf("%v %v", left, err)
	}
}

func TestBelowSeesChildren(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sleep", "100")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	sees := func() bool {
		below, err := Below(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range below {
			if p.PID == cmd.Process.Pid {
				return true
			}
		}
		return false
	}
	if !sees() {
		t.Error("a child is not seen")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if !sees() {
			return
		}
	}
	t.Error("a zombie counts as left behind")
}
