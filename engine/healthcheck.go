package engine

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/burrow-run/burrow/engine/health"
	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/sys"
)

// ErrNoHealthcheck means that a container has no health check.
var ErrNoHealthcheck = errors.New("no health check")

// healthConfig is what a container is checked with; false if it is not.
func healthConfig(h *plan.Healthcheck, over *spec.Healthcheck, shell []string) (health.Config, bool) {
	if h == nil {
		return health.Config{}, false
	}
	c := health.Config{
		Check: health.Check{Args: checkArgv(h.Test, shell), Timeout: h.Timeout}, Interval: h.Interval,
		StartPeriod: h.StartPeriod, StartInterval: h.StartInterval, Retries: h.Retries,
	}
	if over != nil {
		c.MaxLogCount, c.MaxLog = int(over.MaxLogCount), int(over.MaxLogSize)
		if s := over.Startup; s != nil {
			c.Startup = &health.Startup{
				Check:    health.Check{Args: checkArgv(s.Test, nil), Timeout: s.Timeout},
				Interval: s.Interval, Retries: int(s.Retries), Successes: int(s.Successes),
			}
		}
	}
	return c.WithDefaults(), len(c.Args) > 0
}

// checkArgv is the command of a health check as images have it, nil if it is
// none. shell is the image's SHELL.
func checkArgv(test, shell []string) []string {
	if len(test) == 0 {
		return nil
	}
	switch rest := test[1:]; test[0] {
	case "", "NONE":
		return nil
	case "CMD":
		return rest
	case "CMD-SHELL":
		if len(rest) == 0 {
			return nil
		}
		if len(shell) == 0 {
			shell = []string{"/bin/sh", "-c"}
		}
		return append(slices.Clip(shell), strings.Join(rest, " "))
	}
	return test // as Podman does
}

// healthConfig is what this container is checked with.
func (r *run) healthConfig() (health.Config, bool) {
	return healthConfig(r.metadata().Healthcheck, r.spec.Healthcheck, r.image.cfg.Shell)
}

// checkHealthFlags refuses flags about a health check that there is not.
func (r *run) checkHealthFlags(context.Context) error {
	if h := r.spec.Healthcheck; h == nil || h.Disable {
		return nil
	}
	if _, ok := r.healthConfig(); !ok {
		return hint.New(errors.New("--health flags, and the image has no health check that they could be about"), "--health-cmd COMMAND")
	}
	return nil
}

// startsPrograms says that this process needs execve(2) when the container has ended. Health
// checks do not: another process starts them.
func (r *run) startsPrograms() bool {
	return r.spec.Restart.Policy != spec.RestartNo || r.spec.RemoveImage || r.spec.Healthcheck.Restarts()
}

// startChecks starts what runs health checks, while this process may start programs.
func (r *run) startChecks() {
	if _, ok := r.healthConfig(); !ok || r.opts.StartChecks == nil {
		return
	}
	probe, stop, err := r.opts.StartChecks(r.id)
	if err != nil {
		r.warn("no health checks are run: %v", err)
		return
	}
	r.probe = probe
	r.later(stop)
}

// watched is the health of this process's own container. Its methods are called
// by the one goroutine of the monitor.
type watched struct {
	r      *run
	rec    Record // as it was when the payload began
	again  bool
	warned bool
}

// watchHealth has the container checked until the returned function is called,
// which says whether the container has to start again.
func (r *run) watchHealth(ctx context.Context) (stop func() (again bool)) {
	config, ok := r.healthConfig()
	if !ok || r.probe == nil {
		return func() bool { return false }
	}
	w := &watched{r: r, rec: r.record}
	w.rec.dir = r.dir
	ctx, cancel := context.WithCancel(ctx)
	m := health.NewMonitor(config, r.record.Started, w, w)
	deaf, err := listenOwn(healthSocket(r.opts.Dirs, r.id), func(conn net.Conn) { answerHealth(ctx, m, conn) })
	if err != nil {
		r.warn("burrow healthcheck run cannot reach this container: %v", err)
		deaf = func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.Run(ctx)
	}()
	return func() bool {
		cancel()
		deaf()
		<-done
		return w.again
	}
}

// Probe runs a check in a process of its own: what it needs is given back when it
// ends. What asking for it takes, some 10 KB and pages of the executable, is given
// back too: there is no garbage collection until this process has grown by much.
func (w *watched) Probe(ctx context.Context, c health.Check) health.Result {
	defer func() {
		debug.FreeOSMemory()
		_ = sys.DropExecutable() // it costs memory, nothing else
	}()
	return w.r.probe(ctx, c)
}

// Ready is false for a container that is frozen or that is being stopped.
func (w *watched) Ready() bool { return !w.rec.Paused() && !w.rec.stopped() }

// Save writes the state where readers find it. On a full disk the old one stays. Who
// has seen that it has changed finds the event, too.
func (w *watched) Save(s health.State, changed bool) {
	r := w.r
	if changed {
		r.noteHealth(s.Status)
	}
	if err := saveJSON(r.dir, healthFile, healthRecord{Start: r.record.Start, State: s}); err != nil && !w.warned {
		r.warn("health is not recorded: %v", err)
		w.warned = true // once is enough
	}
	r.healthLog.write(s)
	if changed && s.Status == health.Healthy {
		r.tellHealthy()
	}
}

// Act does what --health-on-failure says. A container that is killed or stopped
// for its health is not started again by --restart, as with Podman.
func (w *watched) Act(ctx context.Context, v health.Verdict) {
	rec, action := w.rec, spec.HealthNone
	if h := w.r.spec.Healthcheck; h != nil {
		action = h.OnFailure
	}
	if v == health.NotReady {
		action = spec.HealthRestart
	}
	var err error
	switch action {
	case spec.HealthNone:
	case spec.HealthKill:
		rec.markStopped()
		err = rec.signal(syscall.SIGKILL)
	case spec.HealthStop:
		rec.markStopped()
		err = rec.end(ctx, rec.Spec.Stop.Timeout)
	case spec.HealthRestart:
		w.again = true
		err = rec.end(ctx, rec.Spec.Stop.Timeout)
	}
	if err != nil && !errors.Is(err, ErrNotRunning) && ctx.Err() == nil {
		w.r.warn("--health-on-failure=%s: %v", action, err)
	}
}

// healthSocket is where a running container can be asked to be checked.
func healthSocket(d paths.Dirs, id string) string {
	return filepath.Join(d.Run, healthPrefix+id[:min(len(id), 16)])
}

const healthPrefix = "health-"

// answerPatience is how long somebody who has asked may take to hear the answer.
const answerPatience = 5 * time.Second

// answerHealth checks the container for whoever has connected: the answer is one
// JSON value, or nothing if the container has ended before there was one.
func answerHealth(ctx context.Context, m *health.Monitor, conn net.Conn) {
	defer conn.Close()
	a, err := m.Check(ctx)
	if err != nil {
		return
	}
	_ = conn.SetDeadline(time.Now().Add(answerPatience))
	_ = json.NewEncoder(conn).Encode(a)
}
