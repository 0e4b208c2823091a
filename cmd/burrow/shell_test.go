package main_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/burrow-run/burrow/internal/testbed"
)

// shell runs commands as an unprivileged user would, with directories of its
// own, for tests that are better written in Go than as scripts.
type shell struct {
	t       *testing.T
	user    *testbed.User
	env     []string
	work    string
	runtime string
}

// asUser runs f as an unprivileged user: here, or in a child that runs the test
// of the same name. To the child's parent it returns without calling f.
func asUser(t *testing.T, f func(t *testing.T, sh *shell)) {
	t.Helper()
	if _, child := testbed.Child(); !child && testbed.Root() {
		u, err := testbed.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer u.Give()
		ground.Run(t, u, testbed.Host{}, "^"+t.Name()+"$", "BURROW_LONG="+os.Getenv("BURROW_LONG"))
		return
	}
	f(t, newShell(t))
}

func newShell(t *testing.T) *shell {
	t.Helper()
	u, err := testbed.Self()
	if err != nil {
		t.Fatal(err)
	}
	work, err := os.MkdirTemp("/var/tmp", "burrow-e2e-sh-") //nolint:usetesting // t.TempDir is where only root may be
	if err != nil {
		t.Fatal(err)
	}
	sh := &shell{t: t, user: u, work: work}
	if sh.env, sh.runtime, err = userEnv(u, work); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sh.leave)
	return sh
}

// userEnv makes directories below work and the environment that names them.
func userEnv(u *testbed.User, work string) (env []string, runtime string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store, err := u.Store(ctx, ground.Bin, testbed.Images...)
	if err != nil {
		return nil, "", err
	}
	// Not below work: names of sockets are short.
	if runtime, err = os.MkdirTemp(u.Runtime, "e2e-"); err != nil {
		return nil, "", err
	}
	home := filepath.Join(work, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, "", err
	}
	data := filepath.Join(home, ".local", "share")
	if err := borrowImages(store, data); err != nil {
		return nil, "", err
	}
	return []string{
		"PATH=" + ground.Bin + ":" + os.Getenv("PATH") + ":/usr/sbin:/sbin",
		"HOME=" + home, "USER=" + u.Name, "LOGNAME=" + u.Name, "LANG=C.UTF-8", "TERM=xterm", "SHELL=/bin/sh",
		"XDG_DATA_HOME=" + data,
		"XDG_STATE_HOME=" + filepath.Join(home, ".local", "state"),
		"XDG_CACHE_HOME=" + filepath.Join(filepath.Dir(store), "cache"), // compiled filters: as warm as a user's
		"XDG_RUNTIME_DIR=" + runtime,
		"BURROW_NETWORK=none", "CONTAINERS_CONF=/dev/null", // not what this machine says
	}, runtime, nil
}

// borrowImages makes a data directory that has the images of another one, and
// all else of its own.
func borrowImages(store, data string) error {
	if err := os.MkdirAll(filepath.Join(data, "burrow"), 0o700); err != nil {
		return err
	}
	for _, name := range []string{"storage", "plans", "refs"} {
		if err := os.Symlink(filepath.Join(store, "burrow", name), filepath.Join(data, "burrow", name)); err != nil {
			return err
		}
	}
	return nil
}

// newShellOf is a shell of another user's, for root that looks on from outside.
func newShellOf(t *testing.T, u *testbed.User) *shell {
	t.Helper()
	work, err := os.MkdirTemp("/var/tmp", "burrow-e2e-sh-") //nolint:usetesting // t.TempDir is where only root may be
	if err != nil {
		t.Fatal(err)
	}
	sh := &shell{t: t, user: u, work: work}
	if sh.env, sh.runtime, err = userEnv(u, work); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{work, sh.runtime} {
		if out, err := exec.Command("chown", "-hR", strconv.Itoa(u.UID)+":"+strconv.Itoa(u.GID), dir).CombinedOutput(); err != nil {
			t.Fatal(err, string(out))
		}
	}
	t.Cleanup(sh.leave)
	return sh
}

// with is the same shell for a subtest.
func (sh *shell) with(t *testing.T) *shell {
	t.Helper()
	sub := *sh
	sub.t = t
	return &sub
}

func (sh *shell) getenv(name string) string {
	for _, kv := range sh.env {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// command prepares a command in the shell's environment.
func (sh *shell) command(args ...string) *exec.Cmd {
	cmd := exec.Command("env", args...)
	cmd.Env, cmd.Dir = sh.env, sh.work
	sh.user.Become(cmd)
	return cmd
}

// result is what a command said and how it ended.
type result struct {
	out, err string
	code     int
}

// try runs a command that may fail.
func (sh *shell) try(args ...string) result {
	sh.t.Helper()
	cmd := sh.command(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		sh.t.Fatalf("%v: %v", args, err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// run runs a command that must work and returns its output.
func (sh *shell) run(args ...string) string {
	sh.t.Helper()
	r := sh.try(args...)
	if r.code != 0 {
		sh.t.Fatalf("%v: exit code %d\n%s%s", args, r.code, r.out, r.err)
	}
	return r.out
}

// in runs a script in a default container of the Debian image.
func (sh *shell) in(script string, flags ...string) string {
	sh.t.Helper()
	args := append([]string{"burrow", "run", "--rm"}, flags...)
	return sh.run(append(args, "debian", "sh", "-c", script)...)
}

// start leaves a container running and returns the host's pid of its first process.
func (sh *shell) start(name string, args ...string) int {
	sh.t.Helper()
	pidfile := filepath.Join(sh.work, name+".pid")
	full := append([]string{"burrow", "run", "--rm", "--name", name, "--pidfile", pidfile}, args...)
	cmd := sh.command(full...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		sh.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(done)
	}()
	sh.t.Cleanup(func() {
		sh.try("burrow", "rm", "-f", name)
		_ = cmd.Process.Kill()
		<-done
	})
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		select {
		case <-done:
			sh.t.Fatalf("%v has ended: %s", full, errs.String())
		default:
		}
		b, _ := os.ReadFile(pidfile)
		pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
		// The payload runs once the gate's name is gone.
		if err == nil && strings.Contains(sh.try("burrow", "ps").out, name) && !isGate(pid) {
			return pid
		}
	}
	sh.t.Fatalf("%v does not come up", full)
	return 0
}

func isGate(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return err != nil || bytes.Contains(b, []byte("gate:")) || bytes.Contains(b, []byte("\x00init")) || bytes.HasPrefix(b, []byte("burrow"))
}

// leave demands that nothing is left, and takes away what the user has made.
func (sh *shell) leave() {
	if testbed.Anchor(sh.runtime) != 0 {
		sh.try("burrow", "run", "--rm", "busybox", "true") // reclaims what was killed
		left, err := testbed.Left(sh.getenv("XDG_STATE_HOME"), sh.runtime)
		if err != nil || len(left) > 0 {
			sh.t.Errorf("left behind: %s %v", strings.Join(left, "\n"), err)
		}
		sh.try("burrow", "rm", "-f", "-a")
		sh.try("burrow", "unshare", "sh", "-c", "rm -rf -- *")
		sh.try("burrow", "system", "migrate")
	}
	if err := errors.Join(os.RemoveAll(sh.runtime), os.RemoveAll(sh.work)); err != nil {
		sh.t.Error(err)
	}
}

// waitFor waits until what must come has come.
func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(40 * time.Second); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("waited in vain")
}
