package engine

import (
	"context"
	"encoding/gob"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/nstest"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/probe"
	"github.com/burrow-run/burrow/internal/sys"
)

// A container's parent confines itself and leaves mounts to die with it. So
// each is run by a child of the test: this executable, in a mount namespace of
// its own. The variable names the file of its job; descriptors 3 to 5 are the
// payload's streams, and 6 receives the outcome.
const jobVar = "BURROW_TEST_JOB"

type job struct {
	Verb     string // run, create, supervise, exec
	Spec     spec.Spec
	Dirs     paths.Dirs
	ID       string
	Exec     ExecSpec
	Home     string
	Cwd      string
	Again    bool
	Settle   string         // what comes of it: "", nobody tries; "refused"; "done"
	Deadline time.Duration  // then the caller gives up
	Signal   syscall.Signal // what the caller is sent once the payload says "ready"
}

type outcome struct {
	Exit     Exit
	Error    string
	Hint     string
	Step     launch.GateStep
	Errno    syscall.Errno
	Warnings []string
	Record   Record
	Started  bool
	Settled  bool // another program has seen the end

	stdout, stderr string
}

func TestJob(t *testing.T) {
	path, ok := os.LookupEnv(jobVar)
	if !ok {
		t.Skip("this is the child of another test")
	}
	runtime.LockOSThread()
	var j job
	must(t, gob.NewDecoder(strings.NewReader(readFile(t, path))).Decode(&j)) // JSON would not keep all bytes
	o := Options{Dirs: j.Dirs, Home: j.Home, Cwd: j.Cwd, Stdin: os.NewFile(3, "in"), Stdout: os.NewFile(4, "out"), Stderr: os.NewFile(5, "err")}
	o.UIDs, o.GIDs = ownMaps(t)
	var res outcome
	o.Log = slog.New(slog.DiscardHandler)
	if j.Signal != 0 {
		o.Signals = func() func() <-chan os.Signal { return func() <-chan os.Signal { return whenReady(j.Signal) } }
	}
	o.Warn = func(s string) { res.Warnings = append(res.Warnings, s) }
	ctx := t.Context()
	if j.Deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, j.Deadline)
		defer cancel()
	}
	err := perform(ctx, j, o, &res)
	if err != nil {
		res.Error, res.Hint = err.Error(), hint.Of(err)
	}
	var gate *launch.ExecError
	if errors.As(err, &gate) {
		res.Step = gate.Step
		errors.As(gate.Err, &res.Errno)
	}
	must(t, json.NewEncoder(os.NewFile(6, "result")).Encode(res))
}

// whenReady delivers a change of the terminal's size and a signal.
func whenReady(sig syscall.Signal) <-chan os.Signal {
	ch := make(chan os.Signal, 2)
	go func() {
		buf := make([]byte, 5)
		for string(buf) != "ready" {
			time.Sleep(2 * time.Millisecond)
			_, _ = unix.Pread(4, buf, 0)
		}
		ch <- syscall.SIGWINCH
		ch <- sig
	}()
	return ch
}

func perform(ctx context.Context, j job, o Options, res *outcome) (err error) {
	switch j.Verb {
	case "run":
		res.Exit, err = Run(ctx, j.Spec, o)
	case "create":
		res.Record, err = Create(ctx, j.Spec, o)
	case "supervise":
		if fd, err := strconv.Atoi(os.Getenv(stateVar)); err == nil {
			res.Started, res.Settled = true, true
			res.Exit, err = Resume(ctx, os.NewFile(uintptr(fd), "state"), o)
			return err
		}
		so := SuperviseOptions{Started: func() { res.Started = true }, Again: j.Again}
		switch j.Settle {
		case "refused":
			so.Settle = func(_, _, _ *os.File) error { return unix.ENOMEM }
		case "done":
			so.Settle = settleJob
		}
		res.Exit, err = Supervise(ctx, j.ID, o, so)
	case "exec":
		res.Exit, err = Exec(ctx, j.ID, j.Exec, o)
	}
	return err
}

// stateVar has the number of the file that a job resumes from.
const stateVar = "BURROW_TEST_STATE"

// settleJob executes the same job again, which resumes.
func settleJob(state, mounts, cwd *os.File) error {
	fd, err := sys.Inherit(state)
	if err != nil {
		return err
	}
	for fd := range 7 { // libcontainer has closed them to others
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return os.NewSyscallError("fcntl", err)
		}
	}
	return sys.ExecFrom(mounts, cwd, "/proc/self/exe", os.Args, append(os.Environ(), stateVar+"="+strconv.Itoa(fd)))
}

// started is a job whose child runs.
type started struct {
	cmd    *exec.Cmd
	result *os.File
	out    [2]*os.File
}

func start(t testing.TB, j job, stdin *os.File) *started {
	t.Helper()
	text, err := os.CreateTemp(t.TempDir(), "job")
	must(t, err)
	defer text.Close()
	must(t, gob.NewEncoder(text).Encode(j))
	s := &started{cmd: exec.Command("/proc/self/exe", "-test.run=^TestJob$", "-test.count=1")}
	temp := func() *os.File {
		f, err := os.CreateTemp(t.TempDir(), "job")
		must(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	s.result, s.out = temp(), [2]*os.File{temp(), temp()}
	if stdin == nil {
		stdin, err = os.Open(os.DevNull)
		must(t, err)
		defer stdin.Close()
	}
	s.cmd.ExtraFiles = []*os.File{stdin, s.out[0], s.out[1], s.result}
	s.cmd.Env = append(os.Environ(), jobVar+"="+text.Name(), "GOMAXPROCS=1")
	if dir := os.Getenv("BURROW_TEST_COVERDIR"); dir != "" {
		f, err := os.CreateTemp(dir, "job-*.out")
		must(t, err)
		must(t, f.Close())
		s.cmd.Args = append(s.cmd.Args, "-test.coverprofile="+f.Name())
	}
	s.cmd.Stderr = os.Stderr
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	must(t, s.cmd.Start())
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	return s
}

// wait returns what became of the job.
func (s *started) wait(t testing.TB) outcome {
	t.Helper()
	if err := s.cmd.Wait(); err != nil {
		t.Fatalf("the child: %v", err)
	}
	var res outcome
	must(t, json.Unmarshal([]byte(readFile(t, s.result.Name())), &res))
	res.stdout, res.stderr = readFile(t, s.out[0].Name()), readFile(t, s.out[1].Name())
	return res
}

func do(t testing.TB, j job) outcome {
	t.Helper()
	return start(t, j, nil).wait(t)
}

// testImage stores an image that can run this executable's gate, and a shell.
func testImage(t testing.TB, d paths.Dirs, change func(p *plan.Plan)) {
	t.Helper()
	nstest.Need(t, probe.UserNamespace, probe.Namespaces, probe.ProcMount)
	layer := makeLayer(t,
		file{kind: 'd', path: "bin", mode: 0o755}, file{kind: 'd', path: "etc", mode: 0o755}, file{kind: 'd', path: "tmp", mode: 0o1777},
		file{kind: 'f', path: "etc/passwd", mode: 0o644, text: passwdText}, file{kind: 'f', path: "etc/group", mode: 0o644, text: groupText},
		file{kind: 'f', path: "bin/data", mode: 0o644, text: "x"}, file{kind: 'f', path: "bin/odd", mode: 0o755, text: "x"},
		file{kind: 'l', path: "bin/sh", text: "busybox"},
	)
	for _, f := range append(libraries(t), "/bin/busybox") {
		dest := filepath.Join(layer, f)
		must(t, os.MkdirAll(filepath.Dir(dest), 0o755))
		b, err := os.ReadFile(f)
		if err != nil {
			t.Skip(err)
		}
		must(t, os.WriteFile(dest, b, 0o755))
	}
	p := &plan.Plan{
		Version: plan.Version, ID: strings.Repeat("e", 64), Names: []string{"localhost/test:latest"}, OS: "linux", Arch: runtime.GOARCH,
		Layers: []string{layer}, Config: plan.Config{Env: []string{"PATH=/bin"}},
	}
	if change != nil {
		change(p)
	}
	must(t, plan.Write(d, p))
}

// libraries are what the dynamic linker needs to start this executable.
func libraries(t testing.TB) []string {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	out, err := exec.Command("ldd", self).Output()
	if err != nil {
		return nil // static
	}
	return regexp.MustCompile(`(?m)/[^ ]+\.so[^ ]*`).FindAllString(string(out), -1)
}

func shell(script string) spec.Spec {
	s := spec.Default()
	s.Image, s.Args, s.Network.Mode, s.Remove = "test", []string{"sh", "-c", script}, "none", true
	return s
}

// nothingLeft says what a container left behind.
func nothingLeft(t testing.TB, d paths.Dirs) {
	t.Helper()
	for _, dir := range []string{d.Containers(), namesDir(d), d.Run, unsettledDir(d)} {
		left, _ := names(dir)
		left = slices.DeleteFunc(left, func(name string) bool { return name == sweptFile })
		if len(left) != 0 {
			t.Errorf("left in %s: %q", dir, left)
		}
	}
}
