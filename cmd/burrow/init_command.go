package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

// initCommand makes all of a container but its payload: mounts, namespaces and
// network can be looked at, or completed, before start lets it run.
func (a *app) initCommand() *cobra.Command {
	var pick selection
	cmd := &cobra.Command{
		Use: "init [OPTIONS] CONTAINER [CONTAINER...]", Short: "Prepare containers up to the point where start runs their command",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "")
			}
			if args, err = pick.choose(c, args, func(r engine.Record) bool { return !r.Running() }); err != nil {
				return err
			}
			return a.each(args, func(ref string) error { return a.initialize(cmd.Context(), c, ref, pick.all) })
		},
	}
	pick.define(cmd.Flags(), "all", "latest")
	return cmd
}

// initialize prepares one container. Of all, one that runs by now was required by
// another.
func (a *app) initialize(ctx context.Context, c caller, ref string, all bool) error {
	rec, err := engine.Lookup(c.dirs, ref)
	if err != nil {
		return err
	}
	switch {
	case all && rec.Running():
		return nil
	case rec.Waiting():
		return hint.New(fmt.Errorf("%s: %w: there is nothing left to prepare", ref, engine.ErrInitialized), "burrow start "+ref)
	case rec.Running():
		return hint.New(fmt.Errorf("%s: %w: there is nothing to prepare", ref, engine.ErrRunning), "burrow stop "+ref)
	}
	if err := a.startRequired(ctx, c, rec); err != nil {
		return err
	}
	if err := a.startSupervisor(ctx, rec, nil, argInit); err != nil {
		return err
	}
	fmt.Fprintln(a.out, ref)
	return nil
}

// letRun starts a container, or what is left to start of an initialized one.
func (a *app) letRun(ctx context.Context, c caller, rec engine.Record) error {
	switch {
	case rec.Waiting():
		return a.release(ctx, c, rec)
	case rec.Running():
		return fmt.Errorf("start %s: %w", rec.Name, engine.ErrRunning)
	}
	return a.startSupervisor(ctx, rec, nil)
}

func (a *app) release(ctx context.Context, c caller, rec engine.Record) error {
	if len(a.service.Sockets) > 0 || a.service.Mode != nil {
		return hint.New(fmt.Errorf("%s: %w: it cannot be handed sockets any more, nor a service manager", rec.Name, engine.ErrInitialized), "burrow stop "+rec.Name)
	}
	text, err := engine.Release(ctx, c.dirs, rec)
	if err != nil || text == nil {
		return err
	}
	var r report
	if err := json.Unmarshal(text, &r); err != nil {
		return errors.New("supervisor says nothing that makes sense")
	}
	return hint.New(&reported{r}, r.Hint)
}

// releaseAttached lets an initialized container run with this command attached.
func (a *app) releaseAttached(ctx context.Context, c caller, rec engine.Record, io spec.Stdio) error {
	conn, err := engine.Attach(c.dirs, rec)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := a.release(ctx, c, rec); err != nil {
		return err
	}
	return a.serve(ctx, conn, rec, io)
}
