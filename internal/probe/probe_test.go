package probe_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/burrow-run/burrow/internal/probe"
)

// The kernels Burrow is tested on (6.1 and later) have all of these.
func TestKernelHasWhatBurrowNeeds(t *testing.T) {
	for _, f := range probe.Kernel() {
		if f == probe.Landlock {
			continue // off where the boot line leaves it out of lsm=
		}
		if err := f.Err(); err != nil {
			t.Errorf("%s (since Linux %s): %v", f.Name, f.Since, err)
		}
	}
}

func TestForce(t *testing.T) {
	f := probe.Openat2
	restore := f.Force(syscall.ENOSYS)
	if err := f.Err(); !errors.Is(err, probe.ErrNotSupported) || !errors.Is(err, syscall.ENOSYS) || f.OK() {
		t.Errorf("forced off: %v", err)
	}
	inner := f.Force(nil)
	if err := f.Err(); err != nil {
		t.Errorf("forced on: %v", err)
	}
	inner()
	if f.OK() {
		t.Error("restoring the inner answer lost the outer one")
	}
	restore()
	if err := f.Err(); err != nil {
		t.Errorf("restored: %v", err)
	}
}

func TestLandlockABIFollowsTheFeature(t *testing.T) {
	if got := probe.LandlockABI(); probe.Landlock.OK() != (got > 0) {
		t.Errorf("feature %v, ABI %d", probe.Landlock.Err(), got)
	}
	defer probe.Landlock.Force(syscall.EOPNOTSUPP)()
	if got := probe.LandlockABI(); got != 0 {
		t.Errorf("forced off: ABI %d", got)
	}
}

func TestIsMissing(t *testing.T) {
	for err, want := range map[error]bool{
		syscall.ENOSYS: true, syscall.EOPNOTSUPP: true, syscall.EPERM: false, nil: false,
	} {
		if got := probe.IsMissing(err); got != want {
			t.Errorf("IsMissing(%v) = %v", err, got)
		}
	}
}

func TestOverlayLeavesNothing(t *testing.T) {
	// The names hold what overlay's option parser splits at.
	dir := filepath.Join(t.TempDir(), "a,b:c\\d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := probe.Overlay(dir); err != nil {
		if probe.UserNamespace.OK() {
			t.Errorf("user namespaces work, overlay does not: %v", err)
		} else {
			t.Skip(probe.UserNamespace.Err())
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestOverlayOnNothing(t *testing.T) {
	if err := probe.Overlay(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
