package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/health"
	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

// CheckHealth has a running container checked now and returns what was found.
// If nobody watches it any more the check is run by this process, which must be in a
// mount namespace of its own, and recorded is false.
func CheckHealth(ctx context.Context, ref string, o Options) (a health.Answer, recorded bool, err error) {
	rec, err := Lookup(o.Dirs, ref)
	if err != nil {
		return a, false, err
	}
	doing := "health check of " + rec.Name
	switch {
	case rec.Health() == nil:
		return a, false, hint.New(fmt.Errorf("%s: it has %w", doing, ErrNoHealthcheck), "burrow run --health-cmd COMMAND makes a container with one")
	case !rec.Running():
		return a, false, hint.New(fmt.Errorf("%s: %w", doing, ErrNotRunning), "burrow start "+rec.Name)
	case rec.Waiting():
		return a, false, fmt.Errorf("health check of %w", rec.notStarted())
	case rec.Paused():
		return a, false, hint.New(fmt.Errorf("%s: %w", doing, ErrPaused), "burrow unpause "+rec.Name)
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: healthSocket(rec.where(o.Dirs), rec.ID), Net: "unix"})
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		a, err = checkUnwatched(ctx, rec, o)
		return a, false, err
	}
	if err != nil {
		return a, false, fmt.Errorf("%s: %w", doing, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := json.NewDecoder(io.LimitReader(conn, maxFrame)).Decode(&a); err != nil {
		err = fmt.Errorf("%s: it has ended meanwhile: %w", doing, ErrNotRunning)
		return a, false, errors.Join(ctx.Err(), err)
	}
	if !a.Ready {
		return a, false, fmt.Errorf("%s: it is being stopped, or frozen", doing)
	}
	return a, true, nil
}

// checkUnwatched checks a container that has lost its supervisor.
func checkUnwatched(ctx context.Context, rec Record, o Options) (health.Answer, error) {
	r := &run{spec: rec.Spec, opts: o}
	r.attachTo(rec)
	if err := r.findImage(ctx); err != nil {
		return health.Answer{}, err
	}
	c, ok := r.healthConfig()
	if !ok {
		return health.Answer{}, fmt.Errorf("health check of %s: it has %w", rec.Name, ErrNoHealthcheck)
	}
	a := health.Answer{Ready: true, Result: Probe(ctx, rec.ID, c.Check, o)}
	if a.Result.Void {
		return a, fmt.Errorf("health check of %s: it has ended meanwhile: %w", rec.Name, ErrNotRunning)
	}
	return a, nil
}

// Probe runs a check in a container as [Exec] does, with the user, environment,
// directory and confinement of its first process. When its time is up, or ctx has
// ended, all that is in its process group is killed. The calling goroutine must be locked to the
// main thread, and the process in a mount namespace of its own.
func Probe(ctx context.Context, id string, c health.Check, o Options) health.Result {
	r := health.Result{Start: time.Now().UTC()}
	out, err := newOutput(c.MaxLog)
	if err != nil {
		return notRun(r, err)
	}
	o.Stdin, o.Stdout, o.Stderr, o.Signals = nil, out.write, out.write, nil
	e := ExecSpec{Args: c.Args, Stdio: spec.Default().Stdio, Timeout: c.Timeout, Unrecorded: true}
	exit, err := Exec(ctx, id, e, o)
	r.Output, r.End = out.end(), time.Now().UTC()
	switch {
	case err != nil:
		r = notRun(r, err)
	case exit.TimedOut:
		r.ExitCode, r.Output = -1, fmt.Sprintf("Health check exceeded timeout (%s): %s", c.Timeout, r.Output)
	default:
		r.ExitCode = exit.Code()
	}
	if len(r.Output) > c.MaxLog {
		r.Output = r.Output[:c.MaxLog]
	}
	r.Output = strings.ToValidUTF8(r.Output, "")
	if r.ExitCode != 0 {
		rec, err := Lookup(o.Dirs, id)
		r.Void = ctx.Err() != nil || err != nil || !rec.Running() || rec.Paused()
	}
	return r
}

// notRun is the result of a check whose command never ran, with the exit code of a
// shell where the command is to blame.
func notRun(r health.Result, err error) health.Result {
	r.ExitCode, r.End, r.Output = execFailedCode(err), time.Now().UTC(), err.Error()
	return r
}

// execFailedCode is a shell's exit code where the command is to blame for an error.
func execFailedCode(err error) int {
	return cmp.Or(launch.PayloadCode(err), exitFailed)
}

// output keeps the beginning of what is written to a pipe and throws the rest away.
type output struct {
	read, write *os.File
	kept        []byte
	done        chan struct{}
}

func newOutput(most int) (*output, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	o := &output{read: read, write: write, done: make(chan struct{})}
	go func() {
		defer close(o.done)
		buf := make([]byte, 4096)
		for {
			n, err := read.Read(buf)
			o.kept = append(o.kept, buf[:min(n, most-len(o.kept))]...)
			if err != nil {
				return
			}
		}
	}()
	return o, nil
}

// lastOutput is how long output is waited for whose writer has ended: what it has
// written is there already, but a process that it left behind may hold the pipe.
const lastOutput = 100 * time.Millisecond

// end returns what was written.
func (o *output) end() string {
	o.write.Close()
	_ = o.read.SetReadDeadline(time.Now().Add(lastOutput))
	<-o.done
	o.read.Close()
	return string(o.kept)
}
