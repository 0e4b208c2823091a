package engine

import (
	"context"
	"net"
	"os"
	"path/filepath"

	"github.com/burrow-run/burrow/engine/cgroup"
	"github.com/burrow-run/burrow/engine/ctrlog"
	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/notify"
	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/slirp"
)

// Resume waits for the end of a container that another program of this process has started,
// as Supervise does. state is what SuperviseOptions.Settle got.
func Resume(ctx context.Context, state *os.File, o Options) (Exit, error) {
	t, err := receive(state)
	if err != nil {
		return Exit{}, err
	}
	var s settled
	if s.exchange(t); t.err != nil {
		return Exit{}, t.err
	}
	r := &run{opts: o, sup: newSupervised(nil), resumed: true, network: &network{}}
	defer r.cleanUp()
	rec := Record{ID: s.id, Name: s.name, PID: s.pid, Start: s.start, dir: filepath.Join(o.Dirs.Containers(), s.id)}
	r.spec.Timeout, r.spec.Remove, r.spec.RemoveImage, r.spec.Restart.Policy = s.timeout, s.remove, s.removeImg, s.restart
	r.adopt(rec)
	r.listen()()
	return r.say(r.resume(ctx, s))
}

// resume is what is left of Supervise.
func (r *run) resume(ctx context.Context, s settled) (Exit, error) {
	exit := Exit{ID: r.id}
	r.later(func() { s.hold.Close() })
	if s.remove {
		r.later(r.removeAndNote)
	}
	for _, f := range s.held {
		r.keep(f)
	}
	c, err := launch.Resume(s.pid, filepath.Join(r.runtimePath(), r.id))
	if err != nil {
		return exit, err
	}
	if err := r.takeBack(ctx, s); err != nil {
		c.Destroy()
		return exit, err
	}
	defer c.Destroy()
	defer s.pin.Close()
	r.confineSelf()
	if s.ready {
		if r.manager, err = notify.NewManager(r.opts.Service.Notify); err != nil {
			r.warn("%v", err)
		} else {
			r.tell("READY=1\n" + mainPID())
		}
	}
	session := r.sup.session()
	r.sup.serve(session)
	if r.network.session, err = slirp.Resume(ctx, s.network, r.opts.Log); err != nil {
		r.warn("%v", err)
	}
	r.later(r.network.close)
	noted := make(chan struct{})
	close(noted)
	reclaimed := noted
	if s.reclaim {
		ch := make(chan struct{})
		reclaimed = ch
		done := r.reclaim(ctx)
		go func() { <-done; close(ch) }()
	}
	return r.watch(ctx, c, session, s.mounts, noted, reclaimed)
}

// takeBack makes of the files what they were.
func (r *run) takeBack(ctx context.Context, s settled) error {
	if s.cgroup != nil {
		r.cgroup.group = cgroup.Resume(s.cgroup, s.leaf)
		r.later(func() { r.cgroup.group.Remove(context.WithoutCancel(ctx)) })
	}
	if s.slice != nil {
		ledger, err := r.ledger()
		if err != nil {
			return err
		}
		r.slice = ledger.Resume(r.id, sys.ProcID{PID: s.pid, Start: s.start}, s.strides, s.slice)
		r.later(func() { _ = r.slice.Release() })
	}
	if s.pidFile != "" {
		r.later(func() { _ = os.Remove(s.pidFile) })
	}
	if s.logFile != nil {
		w, err := ctrlog.Resume(s.logPath, s.logFile, s.log)
		if err != nil {
			return err
		}
		r.sup.log = w
	}
	l, err := net.FileListener(s.listener)
	if err != nil {
		return err
	}
	s.listener.Close()
	r.sup.listener, _ = l.(*net.UnixListener) // it was one
	r.sup.listener.SetUnlinkOnClose(true)
	r.later(func() { r.sup.listener.Close() })
	if s.client != nil {
		if r.sup.client, err = net.FileConn(s.client); err != nil {
			r.sup.client = nil
		}
		s.client.Close()
	}
	r.sup.stdin, r.sup.console = s.stdin, s.console
	for stream, f := range map[ctrlog.Stream]*os.File{ctrlog.Stdout: s.stdout, ctrlog.Stderr: s.stderr} {
		if f != nil {
			r.sup.pipes[stream] = f
		}
	}
	return nil
}

// recall reads the record again where an earlier program has written it.
func (r *run) recall() {
	if !r.resumed {
		return
	}
	r.resumed = false
	rec, err := LoadRecord(r.dir)
	if err != nil {
		r.lost = true
		return
	}
	r.record, r.spec = rec, rec.Spec
}
