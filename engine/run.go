package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/burrow-run/burrow/engine/health"
	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/notify"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/security"
)

// run is one container on its way from a Spec to an Exit.
type run struct {
	spec spec.Spec
	opts Options

	id, name, hostname string
	image              image
	dir                string // State/containers/ID
	layers             []string
	pullName           string // from where the image is pulled, if not by the name that was given

	mode       idmap.Mode
	slice      *idmap.Slice
	uids, gids idmap.Map // container ID to anchor ID
	usernsPath string    // of another container's user namespace, which this one joins

	scaffold   scaffold
	network    *network
	keepResolv bool // --dns=none
	who        identity
	policy     security.Policy
	systemd    bool // its first process is systemd or the like
	cgroup     group
	program    *security.Program
	config     launch.Config
	record     Record
	manager    *notify.Manager                                         // who wants to know when the payload is ready; may be nil
	proxy      *notify.Proxy                                           // where the payload says so; nil: it does not
	signals    <-chan os.Signal                                        // what is forwarded, from hear on; nil: nothing
	sup        *supervised                                             // nil: a foreground run, on the caller's own terminal
	healthLog  *healthLog                                              // nil: kept nowhere else
	probe      func(ctx context.Context, c health.Check) health.Result // runs a check; nil: none are run
	onStarted  func()                                                  // called when the payload runs; may be nil
	waits      bool                                                    // it is not started by whoever makes it
	initialize bool                                                    // its payload waits for Release
	handedOver bool                                                    // the container is another process's from now on
	level      string                                                  // SELinux level of a running container that is joined

	locks []*os.File // of volumes, until they are this container's
	hold  *os.File   // the claim of a supervised container's directory
	held  []*os.File // whose locks last as long as the container

	settleWith func(state, mounts, cwd *os.File) error // see SuperviseOptions.Settle
	resumed    bool                                    // its start was an earlier program's: the record is not known
	lost       bool                                    // nor can it be read

	noted bool     // the trail says that there is the container
	kept  func()   // called once the payload has run: without --rm the container stays
	undo  []func() // in reverse order, whatever happens
	// laterUnlessKept is later for what goes with a container that does not stay.
	laterUnlessKept func(func())
}

// Run runs a container in the foreground and returns how it ended. An error
// means that the payload never ran; it may be a *launch.ExecError.
//
// The calling goroutine must be locked to the main thread: the container dies
// with it.
func Run(ctx context.Context, s spec.Spec, o Options) (_ Exit, err error) {
	r := &run{spec: s, opts: o, id: newID()}
	defer r.cleanUp()
	return r.through(ctx, append(makeSteps(r), startSteps(r)...))
}

// through takes the steps and then lets the payload run until its end.
func (r *run) through(ctx context.Context, steps []step) (Exit, error) {
	go prepare()
	for _, st := range steps {
		if err := ctx.Err(); err != nil {
			return Exit{ID: r.id}, err
		}
		begin := time.Now()
		if err := st.do(ctx); err != nil {
			return Exit{ID: r.id}, err
		}
		r.stepDone(st.name, begin)
	}
	return r.execute(ctx)
}

// execute builds the container, lets the payload run once the network is
// there, and waits for its end.
func (r *run) execute(ctx context.Context) (Exit, error) {
	begin := time.Now()
	if err := r.network.prepared(); err != nil {
		return Exit{ID: r.id}, err
	}
	if err := r.awaitCgroup(ctx); err != nil {
		return Exit{ID: r.id}, err
	}
	hear := r.listen()
	c, err := launch.Create(ctx, r.config, r.program)
	if err != nil {
		return Exit{ID: r.id}, err
	}
	defer c.Destroy()
	r.stepDone("create", begin)
	if err := r.checkCgroup(c.PID()); err != nil {
		return Exit{ID: r.id}, err
	}
	if err := r.connect(ctx, c.PID()); err != nil {
		return Exit{ID: r.id}, err
	}
	if err := r.started(ctx, c.PID()); err != nil {
		return Exit{ID: r.id}, err
	}
	mounts, pin := "", (*os.File)(nil)
	if r.spec.Namespaces.PID.Mode != spec.NamespacePrivate {
		mounts, pin = pinMounts(c.PID()) // while it surely lives
	}
	defer pin.Close()
	session, err := r.attach(c)
	if err != nil {
		return Exit{ID: r.id}, err
	}
	defer session.restore()
	settles := r.settles()
	if r.sup != nil && !settles {
		r.sup.serve(session)
	}
	if r.initialize {
		if released, err := r.awaitRelease(ctx, c); err != nil {
			return Exit{ID: r.id}, err
		} else if !released {
			return r.endedWaiting(c)
		}
	}
	r.tellMain()
	looked, err := r.lookAtStart()
	if err != nil {
		return Exit{ID: r.id}, err
	}
	hear()
	if err := c.Exec(); err != nil {
		return Exit{ID: r.id}, err
	}
	if err := looked(); err != nil {
		return Exit{ID: r.id}, err
	}
	r.stepDone("exec", begin)
	if settles {
		return r.settle(ctx, c, session, mounts, pin)
	}
	r.tellReady()
	r.startChecks()
	r.confineSelf()
	noted := make(chan struct{})
	go func() { // beside the payload, not before it
		defer close(noted)
		r.noteStart()
	}()
	r.running()
	return r.watch(ctx, c, session, mounts, noted, r.reclaim(ctx))
}

// cleanUp undoes what the run made, last first. What it cannot undo, a later
// command reclaims: everything temporary has an owner.
func (r *run) cleanUp() {
	for _, f := range slices.Backward(r.undo) {
		f()
	}
}

func (r *run) later(f func()) { r.undo = append(r.undo, f) }

// keep holds a file, and its locks, until the container has ended.
func (r *run) keep(f *os.File) {
	r.held = append(r.held, f)
	r.later(func() { f.Close() })
}

func (r *run) warn(format string, args ...any) {
	if r.opts.Warn != nil {
		r.opts.Warn(fmt.Sprintf(format, args...))
	}
}

func (r *run) stepDone(name string, since time.Time) {
	if r.opts.Log != nil {
		r.opts.Log.Debug("step done", slog.String("name", name), slog.Duration("took", time.Since(since)))
	}
}

// reserve gives the container its ID, its name and its directory. A name is
// reserved by exclusive create, so of two runs one wins.
func (r *run) reserve(context.Context) error {
	if err := unsettle(r.opts.Dirs, r.id); err != nil {
		return fmt.Errorf("make container: %w", err)
	}
	keep := false
	r.later(func() { // last of all
		_, err := os.Lstat(r.dir)
		if r.noted && r.spec.Remove && !r.handedOver && errors.Is(err, os.ErrNotExist) {
			noteRemoved(r.opts.Dirs, r.record)
		}
		if keep && !r.spec.Remove || errors.Is(err, os.ErrNotExist) {
			settle(r.opts.Dirs, r.id)
		}
	})
	hold, err := r.makeDir()
	if err != nil {
		return err
	}
	r.kept = func() { keep = true }
	r.laterUnlessKept = func(f func()) {
		r.later(func() {
			if (!keep || r.spec.Remove) && !r.handedOver {
				f()
			}
		})
	}
	r.later(func() { hold.Close() })
	r.laterUnlessKept(func() {
		_ = os.Remove(filepath.Join(r.dir, recordFile)) // first: without it there is no container
		_ = sys.RemoveTree(r.dir)
	})
	if r.name, err = reserveName(r.opts.Dirs, r.spec.Name, r.id); err != nil {
		return err
	}
	r.laterUnlessKept(func() { releaseName(r.opts.Dirs, currentName(r.dir, r.name), r.id) })
	if r.hostname, err = r.findHostname(); err != nil {
		return err
	}
	if err := r.markRequired(); err != nil {
		return err
	}
	if err := r.writeIDFile(); err != nil {
		return err
	}
	if path := r.spec.CIDFile; path != "" {
		r.later(func() {
			if !keep {
				_ = os.Remove(path) // there never was such a container
			}
		})
	}
	return nil
}

// newContainer begins the name of a container's directory until it is claimed.
const newContainer = ".new-"

// makeDir makes the container's directory and claims it. It gets its name last, so
// that one without a record and without an owner can only be a leftover.
func (r *run) makeDir() (hold *os.File, err error) {
	parent := r.opts.Dirs.Containers()
	r.dir = filepath.Join(parent, r.id)
	made := filepath.Join(parent, newContainer+r.id)
	if err := os.MkdirAll(made, 0o700); err != nil {
		return nil, fmt.Errorf("make container directory: %w", err)
	}
	if hold, err = claim(made); err == nil {
		if err = os.Rename(made, r.dir); err == nil {
			return hold, nil
		}
		hold.Close()
	}
	_ = os.Remove(made)
	return nil, fmt.Errorf("claim container directory: %w", err)
}

// findHostname is the name that the container's UTS namespace has or gets.
func (r *run) findHostname() (string, error) {
	switch ns := r.spec.Namespaces.UTS; {
	case r.spec.Process.Hostname != "":
		return r.spec.Process.Hostname, nil
	case ns.Mode == spec.NamespaceHost:
		return os.Hostname()
	case ns.Mode == spec.NamespaceContainer:
		rec, err := runningContainer(r.opts.Dirs, ns.Ref)
		return rec.Hostname, err
	}
	return r.id[:12], nil
}

// imageID is the ID of the image, "" for a directory and the host image.
func (r *run) imageID() string {
	if r.image.plan == nil {
		return ""
	}
	return r.image.plan.ID
}

// writeIDFile creates the --cidfile, which must not exist, as in Docker.
func (r *run) writeIDFile() error {
	path := r.spec.CIDFile
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("container ID file %s exists: is the other container still there, or remove the file", path)
	}
	if err != nil {
		return fmt.Errorf("write container ID: %w", err)
	}
	_, err = f.WriteString(r.id)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path)
		return fmt.Errorf("write container ID: %w", err)
	}
	return nil
}
