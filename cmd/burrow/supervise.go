package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/posture"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/stage"
)

// What the supervisor finds open, besides standard streams on /dev/null.
const (
	reportFD = 3 // it writes one report to it, and closes it
	clientFD = 4 // somebody who is attached from the first byte on
	socketFD = 5 // the first of the sockets that the payload is activated by
)

// What follows the container's ID on a supervisor's command line.
const (
	argAgain  = "again"  // it starts its container once more
	argClient = "client" // clientFD is open
	argInit   = "init"   // it stops before the payload, until start
)

// report is what a supervisor tells the command that started it.
type report struct {
	Started bool   `json:"started"`
	Error   string `json:"error,omitempty"`
	Hint    string `json:"hint,omitempty"`
	Code    int    `json:"code,omitempty"`
	Running bool   `json:"running,omitempty"` // not started: somebody else has been faster
	// Posture is there if it was asked for.
	Posture *posture.Report `json:"posture,omitempty"`
}

func reportOf(err error) report {
	return report{Error: err.Error(), Hint: advice(err), Code: codeOf(err), Running: errors.Is(err, engine.ErrRunning)}
}

// reported is an error that another process of ours has met.
type reported struct{ report }

func (e *reported) Error() string { return e.report.Error }

func (e *reported) Is(target error) bool { return target == engine.ErrRunning && e.Running }

// supervisor is the main program of a container's own process. It outlives the
// command that started it and says nothing but its report.
func supervisor(ctx context.Context, args []string) int {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	var out *os.File
	if !slices.Contains(args, argAgain) {
		out = os.NewFile(reportFD, "report")
		unix.CloseOnExec(reportFD)
	}
	tell := func(r report) {
		if out != nil {
			_ = json.NewEncoder(out).Encode(r)
			out.Close()
			out = nil
		}
	}
	var seen *posture.Report
	if out != nil {
		a.posture = func(p posture.Report) { seen = &p }
	}
	exit, err := a.supervise(ctx, args, func() { tell(report{Started: true, Posture: seen}) })
	if err != nil {
		tell(reportOf(err))
		return exitError
	}
	return exit.Code()
}

func (a *app) supervise(ctx context.Context, args []string, started func()) (engine.Exit, error) {
	if len(args) == 0 {
		return engine.Exit{}, errors.New("bug: supervisor without a container")
	}
	c, uids, gids, err := whoAmI()
	if err != nil {
		return engine.Exit{}, err
	}
	if err := os.Setenv("GOMAXPROCS", "1"); err != nil {
		return engine.Exit{}, err
	}
	so := engine.SuperviseOptions{Started: started, Again: slices.Contains(args[1:], argAgain), Initialize: slices.Contains(args[1:], argInit)}
	so.Released = func(err error) []byte {
		b, _ := json.Marshal(reportOf(explainStart(ctx, c, err))) // it has no field that could not be
		return b
	}
	if slices.Contains(args[1:], argClient) {
		so.Client = attachedClient()
	}
	if a.service, err = handedService(args[1:]); err != nil {
		return engine.Exit{}, err
	}
	o := a.engineOptions(c, uids, gids)
	o.Posture = a.posture
	image := ""
	rec, lookErr := engine.Lookup(o.Dirs, args[0]) // with --rm there is none afterwards
	if lookErr == nil && rec.Spec.RemoveImage {
		image = rec.Image
	}
	var asked termination
	o.Signals = func() func() <-chan os.Signal { return asked.signals }
	so.Settle = func(state, mounts, cwd *os.File) error {
		return a.settle(state, mounts, cwd, settledArgs(args[0], image))
	}
	exit, err := engine.Supervise(ctx, args[0], o, so)
	if err != nil {
		err = explainStart(ctx, c, err)
	}
	return exit, a.afterwards(ctx, c, args[0], image, exit, err, &asked)
}

// afterwards is what a supervisor does when its container has ended, or never ran: why is
// the reason. image is to be removed, if it is one.
func (a *app) afterwards(ctx context.Context, c caller, id, image string, exit engine.Exit, why error, asked *termination) error {
	if image != "" {
		a.removeImage(ctx, image)
	}
	if why != nil {
		return why
	}
	if asked.ended() {
		return nil
	}
	again, wait := engine.RestartAfter(c.dirs, id, exit)
	for end := time.Now().Add(wait); again && time.Now().Before(end); {
		again = !asked.within(min(backoffPoll, time.Until(end))) && engine.Expects(c.dirs, id)
	}
	if !again {
		return nil
	}
	return a.restartSupervisor(id)
}

// backoffPoll is how soon a supervisor that waits to start its container again sees
// that there is nothing to wait for.
const backoffPoll = 50 * time.Millisecond

// supervisorStage is the stage of the supervisors that this process starts.
func supervisorStage() stage.Stage {
	if asRoot() {
		return stage.RootSupervisor
	}
	return stage.Supervisor
}

// restartSupervisor starts over in a mount namespace of its own: everything of
// the last start is gone with the old one.
func (a *app) restartSupervisor(id string) error {
	if err := keepSockets(a.service); err != nil {
		return err
	}
	env := append(withoutStage(os.Environ()), stage.Env(supervisorStage(), ""))
	env = append(env, serviceEnv(a.service)...)
	args := append([]string{"burrow", id, argAgain}, serviceArgs(a.service)...)
	return os.NewSyscallError("exec", syscall.Exec("/proc/self/exe", args, env))
}

// attachedClient is the connection that the starting command has handed over.
func attachedClient() net.Conn {
	f := os.NewFile(clientFD, "client")
	defer f.Close()
	conn, err := net.FileConn(f)
	if err != nil {
		return nil
	}
	return conn
}

// startSupervisor starts a container and returns when its payload runs, or with
// the reason why it does not. client may be nil. more is what else to say on its
// command line.
func (a *app) startSupervisor(ctx context.Context, rec engine.Record, client *os.File, more ...string) error {
	passes := rec.Spec.Log.Driver == spec.LogPassthrough
	if passes {
		if err := noTerminals(a.in, a.out, a.err); err != nil {
			return err
		}
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	cmd := exec.Command("/proc/self/exe", rec.ID) //nolint:noctx // it outlives this command
	if passes {                                   // what this command has is what the container gets
		cmd.Stdin, cmd.Stdout, cmd.Stderr = a.in, a.out, a.err
	}
	cmd.Args[0] = "burrow"
	// It has one thread of work: the runtime and the C library need not keep memory for more.
	cmd.Env = append(withoutStage(os.Environ()), stage.Env(supervisorStage(), ""), "GOMAXPROCS=1", "MALLOC_ARENA_MAX=1")
	cmd.Env = append(cmd.Env, serviceEnv(a.service)...)
	// What the caller has open besides must not stay open as long as the container:
	// a lock would never be released, a pipe never end.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return os.NewSyscallError("close_range", err)
	}
	cmd.ExtraFiles = append([]*os.File{write, client}, a.service.Sockets...)
	cmd.Args = append(append(cmd.Args, more...), serviceArgs(a.service)...)
	if client != nil {
		// Said, not guessed: without one, the number is the runtime's poller.
		cmd.Args = append(cmd.Args, argClient)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	write.Close()
	if err != nil {
		return fmt.Errorf("start supervisor: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer stop()
	var r report
	if err := json.NewDecoder(read).Decode(&r); err != nil {
		_ = cmd.Wait()
		return errors.New("supervisor ended without a word")
	}
	if !r.Started {
		_ = cmd.Wait()
		return hint.New(&reported{r}, r.Hint)
	}
	if r.Posture != nil {
		a.printPosture(a.err, *r.Posture, rec.Spec.SecurityReport)
	}
	return cmd.Process.Release()
}

// noTerminals refuses to leave a terminal to a container in the background: it
// could write to it, and read from it, as long as it lives.
func noTerminals(files ...*os.File) error {
	for _, f := range files {
		if f != nil && term.IsTerminal(int(f.Fd())) {
			return hint.New(errors.New("--log-driver=passthrough: a terminal is not passed on to a container in the background"),
				"redirect all three: </dev/null >FILE 2>&1")
		}
	}
	return nil
}

// runSupervised is `run` for a container with a supervisor: detached, or on a
// terminal, so that its user can detach from it.
func (a *app) runSupervised(ctx context.Context, c caller, s spec.Spec, o engine.Options) error {
	if err := a.startNamed(ctx, c, s.Requires); err != nil {
		return err
	}
	rec, err := engine.Prepare(ctx, s, o)
	if err != nil {
		return err
	}
	a.comeBack(ctx, c, s)
	if s.Stdio.Detach {
		if err := a.startSupervisor(ctx, rec, nil); err != nil {
			return err
		}
		fmt.Fprintln(a.out, rec.ID)
		return nil
	}
	return a.startAttached(ctx, rec, s.Stdio)
}

// startAttached starts a container with this command as its first client.
func (a *app) startAttached(ctx context.Context, rec engine.Record, io spec.Stdio) error {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "client"), os.NewFile(uintptr(fds[1]), "client")
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		theirs.Close()
		return err
	}
	defer conn.Close()
	err = a.startSupervisor(ctx, rec, theirs)
	theirs.Close()
	if err != nil {
		return err
	}
	return a.serve(ctx, conn, rec, io)
}

// serve connects this command with a container until one of them goes.
func (a *app) serve(ctx context.Context, conn net.Conn, rec engine.Record, io spec.Stdio) error {
	exit, err := engine.Serve(ctx, conn, rec, engine.ServeOptions{
		In: a.in, Out: a.out, Err: a.err, Stdio: io, TTY: rec.Spec.Stdio.TTY, Signals: newRelay(io).signals(),
	})
	if err != nil {
		return err
	}
	if exit.Detached {
		return nil
	}
	engine.AwaitRemoved(ctx, rec)
	return exitWith(exit.Code())
}

// seconds is a flag value that may be negative: then there is no limit.
func seconds(text string) (time.Duration, error) {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number of seconds", text)
	}
	if n < 0 {
		return time.Duration(1<<62 - 1), nil
	}
	return time.Duration(n) * time.Second, nil
}
