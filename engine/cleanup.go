package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/burrow-run/burrow/engine/cgroup"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// Cleanup does for one container what its supervisor would have done, had it not
// been killed: it records the end and gives its cgroup back. Mounts, sub-IDs and
// helpers need nobody for that. Errors are ErrRunning and ErrNoContainer.
func Cleanup(ctx context.Context, d paths.Dirs, ref string) (Record, error) {
	rec, err := Lookup(d, ref)
	if err != nil {
		return rec, err
	}
	if rec.Running() || rec.starting() {
		return rec, hint.New(fmt.Errorf("clean up %s: %w", rec.Name, ErrRunning), "burrow stop "+rec.Name)
	}
	if rec.PID == 0 { // it has never run
		return rec, nil
	}
	if rec, err = Settle(ctx, d, rec); err != nil {
		return rec, err
	}
	hold, err := claim(rec.dir)
	if errors.Is(err, errClaimed) {
		return rec, nil // its supervisor is at it, or about to start it again
	}
	if err != nil {
		return rec, fmt.Errorf("clean up %s: %w", rec.Name, err)
	}
	defer hold.Close()
	cgroup.ReclaimAt(ctx, rec.Cgroup, rec.ID)
	reclaimSockets(d)
	return rec, nil
}
