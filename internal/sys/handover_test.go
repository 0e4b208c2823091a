package sys_test

import (
	"errors"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

func TestInherit(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	closes := func(fd int) bool {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil {
			t.Fatal(err)
		}
		return flags&unix.FD_CLOEXEC != 0
	}
	fd, err := sys.Inherit(r)
	if err != nil || closes(fd) {
		t.Errorf("%d is closed: %v", fd, err)
	}
	if blocks, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || blocks&unix.O_NONBLOCK == 0 {
		t.Error("it blocks now")
	}
	if err := sys.Disinherit(r); err != nil || !closes(fd) {
		t.Errorf("%d stays open: %v", fd, err)
	}
	if _, err := sys.Inherited(1<<20, "nothing"); !errors.Is(err, unix.EBADF) {
		t.Errorf("got %v", err)
	}
	if _, err := sys.Inherit(r); err != nil {
		t.Fatal(err)
	}
	dup, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	f, err := sys.Inherited(dup, "r")
	if err != nil || !closes(dup) || f.Name() != "r" {
		t.Errorf("%v %v", f, err)
	}
	f.Close()
}

func TestAwaitEnd(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pidfd, err := sys.OpenPidfd(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer pidfd.Close()
	done := make(chan error, 1)
	go func() { done <- sys.AwaitEnd(pidfd) }()
	select {
	case err := <-done:
		t.Fatalf("it lives: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	_ = cmd.Process.Kill()
	if err := <-done; err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	if err := sys.AwaitEnd(pidfd); err != nil { // also of one that is gone
		t.Error(err)
	}
	if _, err := sys.OpenPidfd(cmd.Process.Pid); !errors.Is(err, unix.ESRCH) {
		t.Errorf("got %v", err)
	}
}
