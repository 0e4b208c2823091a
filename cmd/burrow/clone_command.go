package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/cmd/burrow/flags"
	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

type cloneFlags struct {
	destroy, force, run bool
	name                string
	limits              *flags.Update
}

func (a *app) cloneCommand() *cobra.Command {
	var f cloneFlags
	cmd := &cobra.Command{
		Use: "clone [OPTIONS] CONTAINER [NAME [IMAGE]]", Short: "Make a container like another one, with its volumes and not its files",
		Args: cobra.RangeArgs(1, 3),
	}
	f.limits = flags.AddUpdate(cmd.Flags())
	fs := cmd.Flags()
	fs.BoolVar(&f.destroy, "destroy", false, "remove the original when the new one is made")
	fs.BoolVarP(&f.force, "force", "f", false, "with --destroy: also if it runs")
	fs.BoolVar(&f.run, "run", false, "start the new one")
	fs.StringVar(&f.name, "name", "", "`NAME` of the new one (default: the original's with -clone behind it)")
	refuse(cmd, append(flags.UpdateRefusals(), flags.No("pod", "there are no pods yet", ""))...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, uids, gids, err := whoAmI()
		if err != nil {
			return err
		}
		if f.force && !f.destroy {
			return errors.New("--force needs --destroy")
		}
		if f.name != "" && len(args) > 1 {
			return errors.New("--name and a second argument exclude each other")
		}
		if len(args) > 1 {
			f.name = args[1]
		}
		if f.name != "" {
			if err := spec.CheckName(f.name); err != nil {
				return fmt.Errorf("name %w", err)
			}
		}
		if !c.inside {
			return enterAnchor(cmd.Context(), c, "mounts")
		}
		return a.clone(cmd, c, args, f, a.engineOptions(c, uids, gids))
	}
	return cmd
}

func (a *app) clone(cmd *cobra.Command, c caller, args []string, f cloneFlags, o engine.Options) error {
	old, err := engine.Lookup(c.dirs, args[0])
	if err != nil {
		return err
	}
	if f.destroy && old.Running() && !f.force {
		return hint.New(fmt.Errorf("--destroy %s: %w", old.Name, engine.ErrRunning), "burrow container clone --destroy --force "+old.Name)
	}
	s := engine.CloneSpec(c.dirs, old, f.name)
	switch {
	case len(args) > 2:
		s.Image, s.Rootfs, s.Host = args[2], nil, args[2] == "host"
		if s.Host {
			s.Image = ""
		}
	case old.ImageID != "": // whatever has the name today
		s.Image, s.Pull.Policy = old.ImageID, spec.PullNever
	}
	if f.limits.Given() {
		if err := f.limits.Apply(&s); err != nil {
			return err
		}
	}
	usualUmask()
	rec, err := engine.Create(cmd.Context(), s, o)
	if err != nil {
		return err
	}
	if f.destroy {
		if _, err := engine.Remove(cmd.Context(), c.dirs, old.ID, f.force); err != nil {
			return err
		}
	}
	if f.run {
		if err := a.startRequired(cmd.Context(), c, rec); err != nil {
			return err
		}
		if err := a.startSupervisor(cmd.Context(), rec, nil); err != nil {
			return err
		}
	}
	fmt.Fprintln(a.out, rec.ID)
	return nil
}
