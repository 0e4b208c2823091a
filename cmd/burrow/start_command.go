package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/cmd/burrow/flags"
	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

func (a *app) startCommand() *cobra.Command {
	var attach, interactive bool
	var sdnotify string
	var pick selection
	io := attachFlags{}
	cmd := &cobra.Command{
		Use: "start [OPTIONS] CONTAINER [CONTAINER...]", Short: "Start containers",
		RunE: func(cmd *cobra.Command, args []string) error {
			mode, err := spec.ParseSDNotify(sdnotify)
			if err != nil {
				return fmt.Errorf("--sdnotify %w", err)
			}
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "")
			}
			args, err = pick.choose(c, args, func(r engine.Record) bool { return !r.Running() || r.Waiting() })
			if err != nil {
				return err
			}
			a.warnOfLoginUID()
			if a.service, err = a.takeService(false); err != nil {
				return err
			}
			if cmd.Flags().Changed("sdnotify") {
				a.service.Mode = &mode
			}
			if len(args) > 1 && (len(a.service.Sockets) > 0 || a.service.Mode != nil) {
				return hint.New(errOneService, "one unit per container")
			}
			if attach || interactive {
				return a.startOne(cmd, c, args, interactive, io)
			}
			return a.each(args, func(ref string) error { return a.start(cmd.Context(), c, ref) })
		},
	}
	fs := cmd.Flags()
	fs.BoolVarP(&attach, "attach", "a", false, "show its output and wait for its end")
	fs.BoolVarP(&interactive, "interactive", "i", false, "connect standard input")
	fs.BoolVar(&pick.all, "all", false, "all that do not run") // -a is --attach
	pick.define(fs, "latest", "filter")
	io.define(fs)
	fs.StringVar(&sdnotify, "sdnotify", "", "`WHO` tells the service manager that the container is ready (default: as the container was made)")
	refuse(cmd,
		flags.No("checkpoint", whyCheckpoint, ""), flags.No("checkpoint-dir", whyCheckpoint, ""))
	return cmd
}

func (a *app) start(ctx context.Context, c caller, ref string) error {
	rec, err := engine.Lookup(c.dirs, ref)
	if err != nil {
		return err
	}
	if err := a.startRequired(ctx, c, rec); err != nil {
		return err
	}
	switch err = a.letRun(ctx, c, rec); {
	case errors.Is(err, engine.ErrRunning) && a.service.Mode == nil:
		// Of several that start it one does; for the others it runs already.
	case errors.Is(err, engine.ErrRunning): // somebody waits to hear of its start
		return hint.New(fmt.Errorf("%w, and is nobody's service", err), "burrow stop "+ref)
	case err != nil:
		return err
	}
	fmt.Fprintln(a.out, ref)
	return nil
}

func (a *app) startOne(cmd *cobra.Command, c caller, args []string, interactive bool, f attachFlags) error {
	if len(args) != 1 {
		return errors.New("burrow start --attach takes one container")
	}
	rec, err := engine.Lookup(c.dirs, args[0])
	if err != nil {
		return err
	}
	io := rec.Spec.Stdio
	io.Interactive = io.Interactive && interactive
	if err := f.apply(cmd, &io); err != nil {
		return err
	}
	if err := a.startRequired(cmd.Context(), c, rec); err != nil {
		return err
	}
	switch {
	case rec.Waiting():
		return a.releaseAttached(cmd.Context(), c, rec, io)
	case rec.Running(): // as with Podman and Docker: then it is attach
		return a.attach(cmd.Context(), c, rec, io)
	}
	return a.startAttached(cmd.Context(), rec, io)
}
