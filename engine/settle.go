package engine

import (
	"context"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/burrow-run/burrow/engine/ctrlog"
	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/slirp"
)

// A supervisor settles: once the payload runs, it executes its own program anew, and what
// waits for the container's end is a process that has never started one. A start leaves
// a megabyte behind that a waiting process has no use for, and that Go does not give back.
//
//	supervisor          steps, create, exec; "it runs"; records the start
//	   │ execve         same pid, same parent of container and helper, same locks
//	supervisor, settled  output, log, who attaches, published ports; end, record, restart
//
// Nothing of what the container prints, of whoever attaches or of who connects to a
// port is taken before: it waits in the kernel. What there is besides are open files, and the
// values in settled. execve(2) keeps the first, and takes away: all threads but the one
// that calls it, so that must be the one that the helper wants to die with; what was to be
// undone at the end, so the other program knows it again; signal handlers. If it cannot be executed, this program waits.
//
// A kill at any moment finds what it found before: there is no moment in which a
// lock is not held, or the container has another parent.
type settled struct {
	id, name  string
	pid       int
	start     uint64 // of pid
	timeout   time.Duration
	remove    bool
	restart   spec.RestartPolicy
	removeImg bool
	pidFile   string

	log     ctrlog.Options
	logPath string
	logFile *os.File // nil: none is kept

	listener, client               *os.File
	stdin, stdout, stderr, console *os.File

	hold    *os.File
	held    []*os.File
	strides []uint32
	slice   *os.File // nil: it has no IDs of its own
	cgroup  *os.File // nil: none
	leaf    *os.File
	mounts  string
	pin     *os.File
	network slirp.Handover
	reclaim bool // there was no time to clean up after others
	ready   bool // the service manager is to be told that the payload runs
}

// exchange is all of it, to or from the other program.
func (s *settled) exchange(t *handover) {
	for _, v := range []*string{&s.id, &s.name, &s.pidFile, &s.logPath, &s.mounts, &s.network.Address, &s.network.Address6, &s.network.Gateway} {
		passText(t, v)
	}
	passText(t, &s.restart)
	passText(t, &s.log.Format)
	for _, v := range []*int{&s.pid, &s.log.MaxFile, &s.network.Helper} {
		passNumber(t, v)
	}
	passNumber(t, &s.start)
	passNumber(t, &s.timeout)
	passNumber(t, &s.log.MaxSize)
	for _, v := range []*bool{&s.remove, &s.removeImg, &s.reclaim, &s.ready} {
		passFlag(t, v)
	}
	for _, v := range []**os.File{
		&s.logFile, &s.listener, &s.client, &s.stdin, &s.stdout, &s.stderr, &s.console,
		&s.hold, &s.slice, &s.cgroup, &s.leaf, &s.pin, &s.network.Words, &s.network.Keep, &s.network.Netns,
	} {
		passFile(t, v)
	}
	passList(t, &s.held, passFile)
	passList(t, &s.strides, passNumber)
	passList(t, &s.network.Ports, func(t *handover, p *slirp.HeldPort) {
		passText(t, &p.Protocol)
		passNumber(t, &p.To)
		passFile(t, &p.Socket)
	})
}

// settles says whether this supervisor will. What goes on with others than the container,
// in values that no file holds, keeps it from that: health checks, somebody who may
// start the payload, a proxy for its words to the service manager.
func (r *run) settles() bool {
	if r.sup == nil || r.settleWith == nil || r.initialize || r.healthLog != nil {
		return false
	}
	_, checked := r.healthConfig()
	return !checked && r.sdnotify() != spec.SDNotifyContainer && r.spec.Log.Driver != spec.LogJournald
}

// reclaimPatience is how long a supervisor that is about to settle cleans up after others
// before; usually there is nothing. Its container's output waits meanwhile.
const reclaimPatience = 20 * time.Millisecond

// settle says that the payload runs and executes the program that waits for its end. If
// it cannot be executed, this one waits.
func (r *run) settle(ctx context.Context, c *launch.Container, session *session, mounts string, pin *os.File) (Exit, error) {
	r.running()
	r.noteStart()
	reclaimed := r.reclaim(ctx)
	late := false
	select {
	case <-reclaimed:
	case <-time.After(reclaimPatience):
		late = true
	}
	if len(r.signals) == 0 { // else it has been asked to end
		if err := r.become(settled{mounts: mounts, pin: pin, reclaim: late, pid: c.PID()}); err != nil {
			r.unsettled(err)
		}
	}
	r.tellReady()
	r.sup.serve(session)
	if err := r.serveNetwork(); err != nil {
		r.warn("%v", err)
	}
	r.confineSelf()
	noted := make(chan struct{})
	close(noted)
	return r.watch(ctx, c, session, mounts, noted, reclaimed)
}

// unsettled tells who looks for it that this program goes on: it takes more memory.
func (r *run) unsettled(why error) {
	if r.opts.Log != nil {
		r.opts.Log.Debug("not settled", slog.String("error", why.Error()))
	}
}

// serveNetwork lets in who connects to a published port.
func (r *run) serveNetwork() error {
	if s := r.network.session; s != nil {
		return s.Serve()
	}
	return nil
}

// become executes the other program with what is in s and what it adds. It returns only
// with an error, and then everything is as before.
func (r *run) become(s settled) (err error) {
	var copies []*os.File
	defer func() {
		for _, f := range copies {
			f.Close()
		}
		s.network.Close()
	}()
	once := func(c interface{ File() (*os.File, error) }) *os.File {
		f, e := c.File()
		if e != nil {
			err = e
			return nil
		}
		copies = append(copies, f)
		return f
	}
	s.id, s.name, s.start, s.timeout = r.id, r.name, r.record.Start, r.spec.Timeout
	s.remove, s.restart, s.removeImg, s.pidFile = r.spec.Remove, r.spec.Restart.Policy, r.spec.RemoveImage, r.spec.PIDFile
	s.log, s.ready = r.logOptions(), r.readyByStart()
	if w, ok := r.sup.log.(*ctrlog.Writer); ok {
		s.logPath, s.logFile = logFile(r.spec.Log, r.dir), w.File()
	}
	s.listener = once(r.sup.listener)
	if conn, ok := r.sup.client.(*net.UnixConn); ok {
		s.client = once(conn)
	}
	s.stdin, s.stdout, s.stderr, s.console = r.sup.stdin, r.sup.pipes[ctrlog.Stdout], r.sup.pipes[ctrlog.Stderr], r.sup.console
	s.hold, s.held = r.hold, r.held
	if r.slice != nil {
		s.slice, s.strides = r.slice.File(), r.slice.Strides()
	}
	if g := r.cgroup.group; g != nil {
		s.cgroup, s.leaf = g.Dirs()
	}
	session := r.network.session
	if session == nil {
		session = &slirp.Session{}
	} else if s.network, err = session.HandOver(); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	return r.execSettled(s, session)
}

// execSettled is the last step of become.
func (r *run) execSettled(s settled, session *slirp.Session) error {
	t := &handover{}
	defer t.takeBack()
	s.exchange(t)
	state, err := t.send()
	if err != nil {
		return err
	}
	defer state.Close()
	mounts, err := os.Open("/proc/thread-self/ns/mnt")
	if err != nil {
		return err
	}
	defer mounts.Close()
	cwd, err := os.OpenFile(".", sys.OpenPathOnly, 0)
	if err != nil {
		return err
	}
	defer cwd.Close()
	return session.Exec(func() error { return r.settleWith(state, mounts, cwd) })
}
