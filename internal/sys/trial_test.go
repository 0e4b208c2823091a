package sys_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/burrow-run/burrow/internal/sys"
)

func TestTrialReportsTheStepThatFailed(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	for _, tt := range []struct {
		name  string
		trial sys.Trial
		step  sys.TrialStep
		errno syscall.Errno
	}{
		{"unknown namespace", sys.Trial{Flags: 1}, sys.TrialUnshare, syscall.EINVAL},
		{"no directory to mount on", sys.Trial{
			Flags:   sys.CloneNewUser | sys.CloneNewMount,
			Overlay: "lowerdir=" + dir, Merged: missing,
		}, sys.TrialOverlay, syscall.ENOENT},
	} {
		t.Run(tt.name, func(t *testing.T) {
			step, err := tt.trial.Run()
			if step != tt.step || !errors.Is(err, tt.errno) {
				t.Errorf("got step %q, %v; want %q, %v", step, err, tt.step, tt.errno)
			}
		})
	}
}

func TestTrialLeavesTheCallerWhereItWas(t *testing.T) {
	before := links(t)
	if _, err := (sys.Trial{Flags: sys.CloneNewUser | sys.CloneNewMount, Proc: true}).Run(); err != nil {
		t.Logf("this host: %v", err) // whether it works is package probe's question
	}
	if after := links(t); before != after {
		t.Errorf("namespaces before %v, after %v", before, after)
	}
	// The child was waited for: there is none left.
	var ws syscall.WaitStatus
	if pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("wait4 = %d, %v; want ECHILD", pid, err)
	}
}

func links(t *testing.T) (ns [3]string) {
	t.Helper()
	for i, name := range []string{"user", "mnt", "pid"} {
		var err error
		if ns[i], err = os.Readlink("/proc/self/ns/" + name); err != nil {
			t.Fatal(err)
		}
	}
	return ns
}
