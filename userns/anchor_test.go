package userns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

func TestAnchor(t *testing.T) {
	run := runDir(t)
	if _, err := Find(run); !errors.Is(err, ErrNoAnchor) {
		t.Fatalf("%v", err)
	}
	a, err := EnsureAnchor(t.Context(), alone(t, run))
	must(t, err)
	if got, err := Find(run); got != a || err != nil {
		t.Errorf("%+v %v, want %+v", got, err, a)
	}
	if again, err := EnsureAnchor(t.Context(), alone(t, run)); again != a || err != nil {
		t.Errorf("a second one: %+v %v", again, err)
	}
	proc := fmt.Sprintf("/proc/%d/", a.PID)
	for _, ns := range []string{"user", "mnt"} {
		own, err := os.Readlink("/proc/self/ns/" + ns)
		must(t, err)
		if its, err := os.Readlink(proc + "ns/" + ns); its == own || err != nil {
			t.Errorf("%s namespace %s %v", ns, its, err)
		}
	}
	text, err := os.ReadFile(proc + "uid_map")
	if want := fmt.Sprintf("0 %d 1", os.Getuid()); strings.Join(strings.Fields(string(text)), " ") != want || err != nil {
		t.Errorf("%q %v", text, err)
	}
	// It holds nothing: no file, no privilege, no memory of the Go runtime.
	waitFor(t, "it to close its files", func() bool { fds, err := os.ReadDir(proc + "fd"); return err == nil && len(fds) == 0 })
	status, err := os.ReadFile(proc + "status")
	must(t, err)
	for _, want := range []string{"CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "Threads:\t1", "Name:\tburrow-anchor"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("%s is not in its status", want)
		}
	}
	if cwd, err := os.Readlink(proc + "cwd"); cwd != "/" || err != nil {
		t.Errorf("works in %s, %v", cwd, err)
	}
	// What a terminal sends does not end it.
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGPIPE} {
		must(t, syscall.Kill(a.PID, sig))
	}
	time.Sleep(20 * time.Millisecond)
	if !a.alive() {
		t.Fatal("a signal ended it")
	}
	must(t, Stop(t.Context(), run))
	waitFor(t, "its end", func() bool { return !a.alive() })
	if err := Stop(t.Context(), run); !errors.Is(err, ErrNoAnchor) {
		t.Errorf("stopped twice: %v", err)
	}
	if left, _ := filepath.Glob(run + "/anchor*"); len(left) != 1 || left[0] != run+"/anchor.lock" {
		t.Errorf("left %q", left)
	}
}

func TestManyCommandsMakeOneAnchor(t *testing.T) {
	noChildren(t)
	run := runDir(t)
	o := alone(t, run)
	var mu sync.Mutex
	seen := map[Anchor]int{}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			a, err := EnsureAnchor(t.Context(), o)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			seen[a]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if len(seen) != 1 {
		t.Errorf("%v", seen)
	}
	if n := len(children(t)); n != 1 {
		t.Errorf("%d processes: %q", n, children(t))
	}
}

// A dead anchor is made again, be it a zombie, or its pid somebody else's.
func TestAnchorIsMadeAgain(t *testing.T) {
	run := runDir(t)
	o := alone(t, run)
	a, err := EnsureAnchor(t.Context(), o)
	must(t, err)
	must(t, syscall.Kill(a.PID, syscall.SIGKILL))
	waitFor(t, "its end", func() bool { _, err := Find(run); return errors.Is(err, ErrNoAnchor) }) // we are its parent: it is a zombie
	b, err := EnsureAnchor(t.Context(), o)
	if err != nil || b == a || !b.alive() {
		t.Fatalf("%+v %v", b, err)
	}
	self, err := sys.ProcIDOf(os.Getpid())
	must(t, err)
	for name, text := range map[string]string{
		"empty":           "",
		"garbage":         "\x00\xff",
		"no start":        fmt.Sprint(b.PID),
		"start of zero":   fmt.Sprintf("%d 0", b.PID),
		"init":            "1 1",
		"nobody":          "1073741824 5",
		"negative":        "-1 5",
		"pid used again":  fmt.Sprintf("%d %d", self.PID, self.Start+1),
		"too long":        strings.Repeat("9", 100) + " 1",
		"another's start": fmt.Sprintf("%d %d", b.PID, self.Start+12345),
	} {
		must(t, os.WriteFile(run+"/anchor", []byte(text), 0o600))
		if _, err := Find(run); !errors.Is(err, ErrNoAnchor) {
			t.Errorf("%s: found, %v", name, err)
		}
		if err := Stop(t.Context(), run); !errors.Is(err, ErrNoAnchor) {
			t.Errorf("%s: stopped, %v", name, err)
		}
	}
	must(t, os.Remove(run+"/anchor"))
	must(t, os.Mkdir(run+"/anchor", 0o700))
	if _, err := EnsureAnchor(t.Context(), o); err == nil || errors.Is(err, ErrNoAnchor) {
		t.Errorf("a directory: %v", err)
	}
	must(t, os.Remove(run+"/anchor"))
	_ = syscall.Kill(b.PID, syscall.SIGKILL)
}

// Who else can write the run directory could tell us which process to kill, or
// whose namespace to enter.
func TestForeignRunDirectory(t *testing.T) {
	top := t.TempDir()
	open, link, file := top+"/open", top+"/link", top+"/file"
	must(t, os.Mkdir(open, 0o700))
	must(t, os.Chmod(open, 0o770))
	must(t, os.Symlink(runDir(t), link))
	must(t, os.WriteFile(file, nil, 0o600))
	for _, dir := range []string{open, link, file, "/usr", "/tmp", file + "/x"} {
		for what, err := range map[string]error{
			"find":   second(Find(dir)),
			"stop":   Stop(t.Context(), dir),
			"ensure": second(EnsureAnchor(t.Context(), alone(t, dir))),
		} {
			if !errors.Is(err, ErrRunDir) {
				t.Errorf("%s %s: %v", what, dir, err)
			}
		}
	}
	if err := checkRun("/usr"); hint.Of(err) == "" {
		t.Errorf("%v without advice", err)
	}
	if _, err := EnsureAnchor(t.Context(), alone(t, top+"/nosuch")); !errors.Is(err, ErrRunDir) {
		t.Errorf("%v", err)
	}
	noChildren(t)
}

func second[T any](_ T, err error) error { return err }

// What fails half-way leaves no process and no record.
func TestAnchorFails(t *testing.T) {
	for name, c := range map[string]struct {
		helpers map[string]string
		want    error
		text    string
		hint    string
	}{
		"no helper":      {nil, ErrMapHelper, "newuidmap", "install uidmap"},
		"helper refuses": {map[string]string{"newuidmap": "echo 'uid range not allowed' >&2; echo more >&2; exit 1"}, ErrMapHelper, "newuidmap: uid range not allowed", "chmod u+s"},
		"silent helper":  {map[string]string{"newuidmap": "exit 3"}, ErrMapHelper, "exit status 3", "chmod u+s"},
		"helper hangs":   {map[string]string{"newuidmap": "exec /bin/sleep 1000"}, ErrMapHelper, "did not answer", "getsubids"},
		"second refuses": {map[string]string{"newuidmap": "exit 0", "newgidmap": "exit 1"}, ErrMapHelper, "newgidmap", ""},
	} {
		t.Run(name, func(t *testing.T) {
			run := runDir(t)
			o := many(t, run)
			programs(t, c.helpers)
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			_, err := EnsureAnchor(ctx, o)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || !strings.Contains(hint.Of(err), c.hint) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, hint %q", err, hint.Of(err))
			}
			t.Setenv("PATH", "/usr/bin:/bin")
			noChildren(t)
			if _, err := os.Stat(run + "/anchor"); err == nil {
				t.Error("there is a record")
			}
		})
	}
	run := runDir(t)
	o := alone(t, run)
	o.UIDs[0].Host++ // somebody else's
	if _, err := EnsureAnchor(t.Context(), o); !errors.Is(err, ErrNoNamespaces) {
		t.Errorf("%v", err)
	}
	must(t, os.WriteFile(run+"/anchor.lock", nil, 0o600))
	must(t, os.Chmod(run, 0o500)) // the record cannot be written
	if _, err := EnsureAnchor(t.Context(), alone(t, run)); !errors.Is(err, ErrRunDir) {
		t.Errorf("%v", err)
	}
	must(t, os.Chmod(run, 0o700))
	noChildren(t)
}

// The anchor is somewhere else before anybody can see it; that it could not be
// moved is no reason to do without.
func TestAnchorIsAdopted(t *testing.T) {
	run := runDir(t)
	o := alone(t, run)
	var adopted int
	o.Adopt = func(_ context.Context, pid int) error {
		adopted = pid
		if _, err := Find(run); !errors.Is(err, ErrNoAnchor) {
			t.Errorf("it is known already: %v", err)
		}
		return errors.New("no such slice")
	}
	a, err := EnsureAnchor(t.Context(), o)
	if err != nil || adopted != a.PID {
		t.Errorf("%d %+v %v", adopted, a, err)
	}
}

// Whoever was to release it is gone: it must not stay, for nobody knows it.
func TestAnchorWithoutItsMakerEnds(t *testing.T) {
	read, write, err := os.Pipe()
	must(t, err)
	cmd, err := startAnchor(read)
	if err != nil {
		t.Skip(err)
	}
	read.Close()
	write.Close()
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("%v", err)
	}
}

func TestLockWaits(t *testing.T) {
	run := runDir(t)
	lock, err := lockRun(t.Context(), run)
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := lockRun(ctx, run); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		lock.Close()
	}()
	again, err := lockRun(t.Context(), run)
	must(t, err)
	again.Close()
}
