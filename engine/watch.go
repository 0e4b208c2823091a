package engine

import (
	"context"
	"errors"
	"time"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/security"
)

// reclaimGrace is how long a run that has ended goes on cleaning up after
// others. What is left then is for the next one.
const reclaimGrace = 200 * time.Millisecond

// watch waits for the end of a container that runs. noted is closed when its start is
// recorded, reclaimed when what others have left is gone.
func (r *run) watch(ctx context.Context, c *launch.Container, session *session, mounts string, noted, reclaimed <-chan struct{}) (Exit, error) {
	unwatch := r.watchHealth(ctx) // before the image is forgotten
	if r.sup != nil {
		ended := make(chan struct{})
		defer close(ended)
		r.forget()
		go idle(ended, noted, reclaimed)
	}
	exit, err := r.wait(ctx, c, session)
	exit.Again = unwatch()
	r.recall()
	r.killStragglers(mounts)
	<-noted
	if err != nil {
		_ = settleTrail(r.opts.Dirs, r.record, true)
		return Exit{ID: r.id}, err
	}
	exit.OOMKilled = r.outOfMemory(exit)
	settleExecs(r.opts.Dirs, r.record, true)
	r.noteEnd(exit)
	r.ended(exit)
	select {
	case <-reclaimed:
	case <-time.After(reclaimGrace):
	}
	return exit, nil
}

// confineSelf takes from this process what it does not need any more now that
// the payload runs: whoever took it over through the payload's output or its
// network must not get further. Being unable to is no reason to end the payload.
// With --restart and --rmi it will have to execute itself or another of our programs.
func (r *run) confineSelf() {
	err := sys.Undumpable()
	if program := security.MonitorProgram(); program != nil && !r.startsPrograms() {
		err = errors.Join(err, sys.FilterAllThreads(program))
	}
	if err != nil {
		r.warn("this process is not confined: %v", err)
	}
}
