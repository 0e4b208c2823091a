package cgroup_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/cgroup"
)

// inside marks the test process that has a cgroup v2 tree on /sys/fs/cgroup.
const inside = "BURROW_TEST_CGROUP"

// TestMain runs the tests in a mount namespace in which cgroup v2 is where it
// belongs, whatever the host has there. It needs root: elsewhere the tests say
// what they lack.
func TestMain(m *testing.M) {
	if os.Getuid() != 0 || os.Getenv(inside) != "" {
		os.Exit(within(m))
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	var exit *exec.ExitError
	if err := cmd.Run(); errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	} else if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func within(m *testing.M) int {
	if os.Getuid() == 0 && !cgroup.Unified() {
		_ = unix.Unmount(cgroup.Root, unix.MNT_DETACH)
		if err := unix.Mount("none", cgroup.Root, "cgroup2", 0, ""); err != nil {
			fmt.Fprintln(os.Stderr, "mount cgroup2:", err)
		}
	}
	return m.Run()
}

// tree makes a cgroup for one test, with this process and another in the cgroup
// "shell" below it, and takes both away afterwards.
func tree(t *testing.T) string {
	t.Helper()
	if os.Getuid() != 0 || !cgroup.Unified() {
		t.Skip("needs a cgroup v2 tree to write: run as root")
	}
	home, err := cgroup.Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cgroup.Root, home, "burrow-test-"+strconv.Itoa(os.Getpid())+"-"+strings.ReplaceAll(t.Name(), "/", "-"))
	shell := filepath.Join(dir, "shell")
	if err := os.MkdirAll(shell, 0o755); err != nil {
		t.Fatal(err)
	}
	enter(t, shell)
	sleeper(t, nil)
	t.Cleanup(func() {
		enter(t, filepath.Join(cgroup.Root, home))
		_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)
		removeTree(t, dir)
	})
	return dir
}

// removeTree removes a cgroup and those below.
func removeTree(t *testing.T, dir string) {
	t.Helper()
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			removeTree(t, filepath.Join(dir, e.Name()))
		}
	}
	var err error
	for range 200 {
		if err = os.Remove(dir); err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Error("left behind:", err)
}

func enter(t *testing.T, dir string) { t.Helper(); put(t, dir, os.Getpid()) }

func put(t *testing.T, dir string, pid int) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
		t.Fatal(err)
	}
}

// sleeper starts a process, in the cgroup of f or in our own, and returns its pid.
func sleeper(t *testing.T, f *os.File) int {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if f != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(f.Fd())
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-done })
	return cmd.Process.Pid
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
