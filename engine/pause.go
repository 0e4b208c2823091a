package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/cgroup"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

var (
	// ErrPaused means that a container's processes are frozen.
	ErrPaused = errors.New("container is paused")
	// ErrNotPaused means that they are not.
	ErrNotPaused = errors.New("container is not paused")
	// ErrNoCgroup means that a container has no cgroup of its own.
	ErrNoCgroup = errors.New("it has no cgroup of its own")
)

// Paused says whether a running container is frozen.
func (r Record) Paused() bool {
	return r.Cgroup != "" && r.Running() && cgroup.Frozen(r.Cgroup, r.ID)
}

// Pause freezes all processes of a container, or lets them go on.
func Pause(ctx context.Context, d paths.Dirs, ref string, freeze bool) error {
	rec, err := Lookup(d, ref)
	if err != nil {
		return err
	}
	verb := "pause"
	if !freeze {
		verb = "unpause"
	}
	switch paused := rec.Paused(); {
	case !rec.Running():
		return fmt.Errorf("%s %s: %w", verb, rec.Name, ErrNotRunning)
	case paused && freeze:
		return fmt.Errorf("pause %s: %w already", rec.Name, ErrPaused)
	case !paused && !freeze && rec.Cgroup != "":
		return fmt.Errorf("unpause %s: %w", rec.Name, ErrNotPaused)
	}
	if err := rec.freeze(ctx, freeze); err != nil {
		return fmt.Errorf("%s %s: %w", verb, rec.Name, err)
	}
	noteDone(d, rec, audit.Kind(verb))
	return nil
}

func (r Record) freeze(ctx context.Context, on bool) error {
	if r.Cgroup == "" {
		return r.noCgroup(ctx)
	}
	return cgroup.Freeze(ctx, r.Cgroup, r.ID, on)
}

// noCgroup says why a container has none, as far as it can be told now.
func (r Record) noCgroup(ctx context.Context) error {
	err := ErrNoCgroup
	if place, e := cgroup.Find(ctx, cgroup.Manager{}, ""); e == nil && place.None() != "" {
		err = fmt.Errorf("%w: %s", err, place.None())
	}
	return hint.New(err, "burrow doctor says how to get one")
}
