package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/ctrlog"
	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/sys"
)

// supervised connects a container with its log and with whoever is attached,
// in place of the caller's own terminal.
type supervised struct {
	hub    *hub
	log    logWriter  // nil: --log-driver=none or passthrough
	ends   []*os.File // the container's ends of the pipes, closed once it has them
	pipes  map[ctrlog.Stream]*os.File
	copied sync.WaitGroup
	// writing counts the streams whose output somebody is being waited for to take.
	writing atomic.Int32
}

// SuperviseOptions are what Supervise needs besides Options.
type SuperviseOptions struct {
	// Client is somebody who is attached from the first byte on; may be nil.
	Client net.Conn
	// Started is called when the payload runs.
	Started func()
	// Again: the container starts by itself, as --restart says, and not if its
	// user has stopped it meanwhile.
	Again bool
	// Initialize stops before the payload until somebody calls Release. Started is
	// called then already.
	Initialize bool
	// Released puts into words, for who has called Release, why the payload never
	// ran. Needed with Initialize.
	Released func(error) []byte
}

// Supervise starts a created container and stays its parent until it ends. It
// is what a detached container's own process does; it returns how the payload
// ended. An error means that the payload never ran.
func Supervise(ctx context.Context, id string, o Options, so SuperviseOptions) (Exit, error) {
	rec, err := Lookup(o.Dirs, id)
	if err != nil {
		return Exit{}, err
	}
	rec, hold, err := claimToStart(ctx, rec)
	if err != nil {
		return Exit{ID: rec.ID}, err
	}
	r := &run{spec: rec.Spec, opts: o, onStarted: so.Started, initialize: so.Initialize}
	defer r.cleanUp()
	r.later(func() { hold.Close() })
	if !so.Again {
		_ = os.Remove(rec.stoppedMark())
	} else if rec.stopped() {
		return Exit{ID: rec.ID}, fmt.Errorf("restart %s: %w", rec.Name, errStopped)
	}
	r.adopt(rec)
	if r.spec.Remove {
		r.later(func() { _ = removeClaimed(r.opts.Dirs, r.record) })
	}
	if err := r.announce(); err != nil {
		return Exit{ID: rec.ID}, err
	}
	r.sup = &supervised{hub: newHub(), pipes: map[ctrlog.Stream]*os.File{}}
	if so.Client != nil {
		r.sup.hub.add(so.Client, true)
	}
	if err := r.sup.openLog(r); err != nil {
		r.failed(err)
		return Exit{ID: r.id}, err
	}
	steps := append([]step{{"find image", r.findImage}, {"compile policy", r.compilePolicy}}, startSteps(r)...)
	exit, err := r.through(ctx, steps)
	if err != nil {
		if so.Released != nil {
			r.sup.hub.run(so.Released(err))
		}
		r.failed(err)
		exit.Status = syscall.WaitStatus(exitFailed << 8)
	}
	if r.sup.log != nil {
		_ = r.sup.log.Close()
	}
	r.sup.hub.end(uint32(exit.Status))
	return exit, err
}

// claimPatience is how long a start waits for the command that made the
// container, or that has just stopped it, to let go of it.
const claimPatience = 2 * time.Second

// claimToStart claims a container that does not run. Somebody else who is starting
// it is awaited: either it runs then, which is ErrRunning, or it may be started.
func claimToStart(ctx context.Context, rec Record) (Record, *os.File, error) {
	for begin := time.Now(); ; {
		if rec.Running() {
			return rec, nil, fmt.Errorf("container %s: %w", rec.Name, ErrRunning)
		}
		hold, err := awaitClaim(ctx, rec.dir, claimInterval)
		if err != nil && (!errors.Is(err, errClaimed) || time.Since(begin) > claimPatience && !rec.starting()) {
			return rec, nil, fmt.Errorf("start %s: %w", rec.Name, err)
		}
		now, loadErr := LoadRecord(rec.dir) // whoever had it has written since
		if loadErr == nil && hold != nil && !now.Running() {
			return now, hold, nil
		}
		if hold != nil {
			hold.Close()
		}
		if loadErr != nil {
			return rec, nil, fmt.Errorf("start container: %w", loadErr)
		}
		rec = now
	}
}

// announce says in the record that the container is being started, and by whom: who
// wants to stop or to remove it meanwhile must find it out.
func (r *run) announce() (err error) {
	if settleExecs(r.opts.Dirs, r.record, true); r.record.unseenEnd() {
		_ = settleTrail(r.opts.Dirs, r.record, true) // of a run that was killed
	}
	if r.record.Owner, err = sys.ProcIDOf(os.Getpid()); err != nil {
		return err
	}
	if r.record.BootID, err = bootID(); err != nil {
		return err
	}
	r.record.PID, r.record.Start, r.record.Exited, r.record.Waits, r.record.Initialized = 0, 0, false, false, false
	return saveRecord(r.dir, r.record)
}

// Create makes a container that waits for somebody to start it.
func Create(ctx context.Context, s spec.Spec, o Options) (Record, error) {
	return (&run{spec: s, opts: o, id: newID(), waits: true}).create(ctx)
}

// Prepare makes a container that the caller is about to start. If the caller
// dies before that, nothing of a container with --rm stays.
func Prepare(ctx context.Context, s spec.Spec, o Options) (Record, error) {
	return (&run{spec: s, opts: o, id: newID()}).create(ctx)
}

func (r *run) create(ctx context.Context) (Record, error) {
	defer r.cleanUp()
	for _, st := range append(makeSteps(r), step{"write record", r.writeCreated}) {
		if err := st.do(ctx); err != nil {
			return Record{}, err
		}
	}
	r.kept()
	r.handedOver = true
	r.record.dir = r.dir
	return r.record, nil
}

// writeCreated records a container that has no process yet.
func (r *run) writeCreated(ctx context.Context) error {
	argv, err := r.command()
	if err != nil {
		return err
	}
	r.config.Args = argv
	return r.writeRecord(ctx)
}

// failed notes why the payload never ran. With --rm nothing of the container stays.
func (r *run) failed(why error) {
	r.note(audit.Failed, func(a *audit.Record) { a.Error = why.Error() })
	if r.spec.Remove {
		return // adopt has seen to it
	}
	r.record.Exited, r.record.ExitCode, r.record.Finished = true, exitFailed, time.Now().UTC()
	r.record.Error = why.Error()
	_ = saveRecord(r.dir, r.record)
}

// exitFailed is the exit code of a container whose payload never ran.
const exitFailed = 125

// adopt takes over an existing container.
func (r *run) adopt(rec Record) {
	r.id, r.name, r.record = rec.ID, rec.Name, rec
	r.dir = filepath.Join(r.opts.Dirs.Containers(), rec.ID)
	r.hostname = rec.Hostname
	r.kept = func() {}
	if rec.ImageID != "" {
		// The image it was made of, whatever has that name today.
		r.spec.Image, r.spec.Pull.Policy = rec.ImageID, spec.PullNever
	}
}

// wire gives the container its standard streams.
func (s *supervised) wire(r *run) error {
	stop, err := s.hub.listen(attachSocket(r.opts.Dirs, r.id))
	if err != nil {
		return err
	}
	r.later(stop)
	if r.spec.Stdio.TTY {
		return nil // the container makes its terminal itself
	}
	if r.spec.Log.Driver == spec.LogPassthrough {
		s.hub.connect(nil, nil)
		r.config.Stdin, r.config.Stdout, r.config.Stderr = r.opts.Stdin, r.opts.Stdout, r.opts.Stderr
		return nil
	}
	for _, stream := range []ctrlog.Stream{ctrlog.Stdout, ctrlog.Stderr} {
		read, write, err := os.Pipe()
		if err != nil {
			return err
		}
		s.pipes[stream], s.ends = read, append(s.ends, write)
	}
	r.config.Stdout, r.config.Stderr = s.ends[0], s.ends[1]
	var stdin *os.File
	if r.spec.Stdio.Interactive {
		read, write, err := os.Pipe()
		if err != nil {
			return err
		}
		stdin = read
		s.hub.connect(write, nil)
	} else {
		if stdin, err = os.OpenFile(os.DevNull, os.O_RDONLY, 0); err != nil {
			return err
		}
		s.hub.connect(nil, nil)
	}
	s.ends = append(s.ends, stdin)
	r.config.Stdin = stdin
	return nil
}

// attach starts the copying. The session it returns has no terminal of its own.
func (s *supervised) attach(c *launch.Container) *session {
	for _, f := range s.ends {
		f.Close()
	}
	switch {
	case c.Console != nil:
		s.hub.connect(c.Console, func(rows, cols uint16) {
			_ = unix.IoctlSetWinsize(int(c.Console.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
		})
		s.copy(ctrlog.Stdout, frameStdout, c.Console)
	case len(s.pipes) > 0:
		s.copy(ctrlog.Stdout, frameStdout, s.pipes[ctrlog.Stdout])
		s.copy(ctrlog.Stderr, frameStderr, s.pipes[ctrlog.Stderr])
	}
	out := &session{copied: make(chan struct{}), left: make(chan struct{}), writing: &s.writing}
	go func() {
		s.copied.Wait()
		close(out.copied)
	}()
	return out
}

func (s *supervised) copy(stream ctrlog.Stream, kind frameKind, from *os.File) {
	s.copied.Go(func() {
		for {
			err := readReady(from, func(b []byte) {
				s.writing.Add(1)
				if s.log != nil {
					_ = s.log.Write(stream, b) // a full disk must not stop the payload
				}
				s.hub.output(kind, b)
				s.writing.Add(-1)
			})
			if err != nil {
				return // EOF, or EIO from a terminal whose last user is gone
			}
		}
	})
}

// attachSocket has a short name: a socket's path has at most 107 bytes.
func attachSocket(d paths.Dirs, id string) string {
	return filepath.Join(d.Run, socketPrefix+id[:min(len(id), 16)])
}

const socketPrefix = "attach-"

// Attach connects to a supervised container.
func Attach(d paths.Dirs, rec Record) (net.Conn, error) {
	if !rec.Running() {
		return nil, fmt.Errorf("attach to %s: %w", rec.Name, ErrNotRunning)
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: attachSocket(d, rec.ID), Net: "unix"})
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, fmt.Errorf("attach to %s: nobody supervises it: it runs in the foreground of a command, or its supervisor was killed", rec.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("attach to %s: %w", rec.Name, err)
	}
	return conn, nil
}
