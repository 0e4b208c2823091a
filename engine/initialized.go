package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// ErrInitialized means that all of the container is there but its payload, which
// nobody has let run yet.
var ErrInitialized = errors.New("container is initialized and not started")

// Waiting says that a container was initialized and waits for Release.
func (r Record) Waiting() bool { return r.Initialized && r.Running() }

// notStarted is the error of what needs a running payload.
func (r Record) notStarted() error {
	if !r.Waiting() {
		return nil
	}
	return hint.New(fmt.Errorf("%s: %w", r.Name, ErrInitialized), "burrow start "+r.Name)
}

// Release lets the payload of an initialized container run. It returns what its
// supervisor's SuperviseOptions.Released says of that; nil: it runs. An error means
// that nobody knows.
func Release(ctx context.Context, d paths.Dirs, rec Record) ([]byte, error) {
	conn, err := Attach(d, rec)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := writeFrame(conn, frameStart, nil); err != nil {
		return nil, fmt.Errorf("start %s: %w", rec.Name, err)
	}
	for {
		kind, payload, err := readFrame(conn)
		switch {
		case err != nil:
			return nil, fmt.Errorf("start %s: connection to its supervisor: %w", rec.Name, err)
		case kind == frameStarted && len(payload) == 0:
			return nil, nil
		case kind == frameStarted:
			return payload, nil
		case kind == frameExited:
			return nil, fmt.Errorf("start %s: it has ended: %w", rec.Name, ErrNotRunning)
		}
	}
}

// awaitRelease stops a start right before the payload. It returns true when somebody
// lets it run, and false if the container was ended instead.
func (r *run) awaitRelease(ctx context.Context, c *launch.Container) (bool, error) {
	r.note(audit.Init, withoutProcess)
	if r.onStarted != nil {
		r.onStarted()
	}
	dead := make(chan struct{})
	go func() {
		_, _ = c.Wait()
		close(dead)
	}()
	select {
	case <-r.sup.hub.released:
	case <-dead:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
	r.record.Initialized, r.record.Started = false, time.Now().UTC()
	return true, saveRecord(r.dir, r.record)
}

// endedWaiting is the end of a container whose payload never ran, because somebody
// has ended it before.
func (r *run) endedWaiting(c *launch.Container) (Exit, error) {
	status, err := c.Wait()
	exit := Exit{ID: r.id, Status: status}
	if err == nil {
		r.ended(exit)
	}
	return exit, err
}

// running tells everybody who waits for it that the payload runs.
func (r *run) running() {
	if r.sup != nil {
		r.sup.hub.run(nil)
	}
	if r.onStarted != nil && !r.initialize {
		r.onStarted()
	}
}
