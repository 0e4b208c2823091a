package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/cmd/burrow/flags"
	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/internal/format"
	"github.com/burrow-run/burrow/internal/hint"
)

type removeFlags struct {
	force, depend, volumes bool
	timeout                string
	pick                   selection
}

func (a *app) rmCommand() *cobra.Command {
	var f removeFlags
	cmd := &cobra.Command{
		Use: "rm [OPTIONS] CONTAINER [CONTAINER...]", Short: "Remove containers",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			if f.timeout != "" && !f.force {
				return hint.New(errors.New("--time needs --force: nothing that runs is removed without"), "burrow rm -f")
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "")
			}
			all := f.pick.all && len(f.pick.filters) == 0
			if all { // damaged ones too
				args, err = allIDs(c, args)
			} else {
				args, err = f.pick.choose(c, args, nil)
			}
			if err != nil {
				return err
			}
			return a.remove(cmd.Context(), c, args, f)
		},
	}
	fs := cmd.Flags()
	fs.BoolVarP(&f.force, "force", "f", false, "kill the container if it runs")
	fs.BoolVar(&f.depend, "depend", false, "also those that require it")
	fs.BoolVarP(&f.volumes, "volumes", "v", false, "remove the container's anonymous volumes too")
	fs.StringVarP(&f.timeout, "time", "t", "", "`SECONDS` to ask it to end before killing (with --force; default: none)")
	f.pick.define(fs, "all", "latest", "filter-long", "cidfile", "ignore")
	refuse(cmd, flags.On("link", "there are no links between containers", ""))
	return cmd
}

// remove goes on after an error, and ends with Podman's exit code for the last.
func (a *app) remove(ctx context.Context, c caller, refs []string, f removeFlags) error {
	var failed error
	for _, ref := range refs {
		err := a.removeOne(ctx, c, ref, f)
		if errors.Is(err, engine.ErrNoContainer) && (f.pick.ignore || f.force) {
			continue
		}
		if err != nil {
			failed = err
			say(a.err, err)
		}
	}
	switch {
	case failed == nil:
		return nil
	case errors.Is(failed, engine.ErrNoContainer):
		return exitCode(1)
	case errors.Is(failed, engine.ErrRunning):
		return exitCode(2)
	}
	return exitCode(exitError)
}

func (a *app) removeOne(ctx context.Context, c caller, ref string, f removeFlags) error {
	rec, err := engine.Lookup(c.dirs, ref)
	if err == nil && f.depend {
		for _, id := range rec.Dependents(c.dirs) {
			if err := a.removeOne(ctx, c, id, f); err != nil && !errors.Is(err, engine.ErrNoContainer) {
				return err
			}
		}
	}
	if err == nil && f.force && f.timeout != "" {
		t, err := seconds(f.timeout)
		if err != nil {
			return fmt.Errorf("--time %w", err)
		}
		if _, err := engine.Stop(ctx, c.dirs, rec.ID, t); err != nil {
			return err
		}
	}
	_, err = engine.Remove(ctx, c.dirs, ref, f.force)
	if err == nil && f.volumes {
		err = engine.DropVolumes(c.dirs, rec)
	}
	if err == nil {
		fmt.Fprintln(a.out, ref) // as it was typed, like Docker and Podman
	}
	return err
}

func allIDs(c caller, args []string) ([]string, error) {
	if len(args) > 0 {
		return nil, errors.New("--all and names exclude each other")
	}
	records, _, err := engine.List(c.dirs)
	ids := make([]string, 0, len(records))
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return ids, err
}

func (a *app) printJSON(v any) error {
	return format.JSON(a.out, v, "    ")
}

func lookupAll(c caller, names []string) ([]engine.Record, error) {
	out := make([]engine.Record, 0, len(names))
	for _, n := range names {
		r, err := engine.Lookup(c.dirs, n)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}
