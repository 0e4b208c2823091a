package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/sys"
)

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
	// Settle executes a program, with the calling thread, that calls Resume with the file
	// state. First it goes to the mount namespace mounts and the directory cwd, which the
	// thread has left. It returns only if it could not. Nil: this program waits for the
	// container's end itself.
	Settle func(state, mounts, cwd *os.File) error
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
	r := &run{spec: rec.Spec, opts: o, onStarted: so.Started, initialize: so.Initialize, settleWith: so.Settle, hold: hold}
	defer r.cleanUp()
	r.later(func() { hold.Close() })
	if !so.Again {
		_ = os.Remove(rec.stoppedMark())
	} else if rec.stopped() {
		return Exit{ID: rec.ID}, fmt.Errorf("restart %s: %w", rec.Name, errStopped)
	}
	r.adopt(rec)
	if r.spec.Remove {
		r.later(r.removeAndNote)
	}
	if err := r.announce(); err != nil {
		return Exit{ID: rec.ID}, err
	}
	r.sup = newSupervised(so.Client)
	if err := r.sup.openLog(r); err != nil {
		r.failed(err)
		return Exit{ID: r.id}, err
	}
	steps := append([]step{{"find image", r.findImage}, {"compile policy", r.compilePolicy}}, startSteps(r)...)
	exit, err := r.through(ctx, steps)
	if err != nil && so.Released != nil {
		r.sup.hub.run(so.Released(err))
	}
	return r.say(exit, err)
}

// say closes the log, and tells the end to whoever is attached.
func (r *run) say(exit Exit, err error) (Exit, error) {
	if err != nil {
		r.recall()
		r.failed(err)
		exit.Status = syscall.WaitStatus(exitFailed << 8)
	}
	if r.sup.log != nil {
		_ = r.sup.log.Close()
	}
	r.sup.greet()
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
	r.record.RunDir = r.opts.Dirs.Run
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
	r.noteCreated()
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
	if r.spec.Remove || r.lost {
		return // adopt has seen to it; what is not known is not written
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
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: attachSocket(rec.where(d), rec.ID), Net: "unix"})
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ECONNREFUSED) {
		return nil, fmt.Errorf("attach to %s: nobody supervises it: it runs in the foreground of a command, or its supervisor was killed", rec.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("attach to %s: %w", rec.Name, err)
	}
	return conn, nil
}
