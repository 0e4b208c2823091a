package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/cmd/burrow/flags"
	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

func (a *app) createCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create [OPTIONS] IMAGE [COMMAND [ARG...]]", Short: "Make a container without starting it",
		Args: cobra.ArbitraryArgs,
	}
	f := flags.Add(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, uids, gids, err := whoAmI()
		if err != nil {
			return err
		}
		if err := fileDefaults(cmd, c); err != nil {
			return err
		}
		s, warnings, err := f.Spec(args, os.LookupEnv, os.Environ(), c.cwd)
		if err != nil {
			return hint.New(err, orElse(hint.Of(err), "burrow create --help"))
		}
		if !c.inside {
			return enterAnchor(cmd.Context(), c, "mounts")
		}
		for _, w := range warnings {
			warn(a.err, w)
		}
		a.warnOfLoginUID()
		usualUmask()
		rec, err := engine.Create(cmd.Context(), s, a.engineOptions(c, uids, gids))
		if err != nil {
			return err
		}
		a.comeBack(cmd.Context(), c, s)
		fmt.Fprintln(a.out, rec.ID)
		return nil
	}
	return cmd
}

// startRequired starts what --requires names, and what that requires.
func (a *app) startRequired(ctx context.Context, c caller, rec engine.Record) error {
	for _, id := range rec.Spec.Requires {
		other, err := engine.Lookup(c.dirs, id)
		if err != nil {
			return fmt.Errorf("start %s: a container that it requires: %w", rec.Name, err)
		}
		if err := a.startRequired(ctx, c, other); err != nil {
			return err
		}
		if other.Running() && !other.Waiting() {
			continue
		}
		own := *a
		own.service = engine.Service{} // what was handed over is for rec
		if err := own.letRun(ctx, c, other); err != nil && !errors.Is(err, engine.ErrRunning) {
			return fmt.Errorf("start %s, which %s requires: %w", other.Name, rec.Name, err)
		}
	}
	return nil
}

// attachFlags are about the connection of a command with a container.
type attachFlags struct {
	keys     string
	sigProxy bool
}

func (f *attachFlags) define(fs *pflag.FlagSet) {
	fs.StringVar(&f.keys, "detach-keys", "", "`KEYS` that end the connection; empty for none (default: the container's)")
	fs.BoolVar(&f.sigProxy, "sig-proxy", true, "forward signals to the container")
}

func (f *attachFlags) apply(cmd *cobra.Command, io *spec.Stdio) (err error) {
	io.SigProxy = f.sigProxy
	if cmd.Flags().Changed("detach-keys") {
		if io.DetachKeys, err = spec.ParseDetachKeys(f.keys); err != nil {
			return fmt.Errorf("--detach-keys %w", err)
		}
	}
	return nil
}

func (a *app) attachCommand() *cobra.Command {
	var noStdin, latest bool
	f := attachFlags{}
	cmd := &cobra.Command{
		Use: "attach [OPTIONS] CONTAINER", Short: "Connect with a running container",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "")
			}
			if args, err = oneOrLatest(c, args, latest); err != nil {
				return err
			}
			rec, err := engine.Lookup(c.dirs, args[0])
			if err != nil {
				return err
			}
			io := rec.Spec.Stdio
			io.Interactive = io.Interactive && !noStdin
			if err := f.apply(cmd, &io); err != nil {
				return err
			}
			return a.attach(cmd.Context(), c, rec, io)
		},
	}
	cmd.Flags().BoolVar(&noStdin, "no-stdin", false, "do not connect standard input")
	cmd.Flags().BoolVarP(&latest, "latest", "l", false, "the container that was made last")
	f.define(cmd.Flags())
	return cmd
}

func (a *app) attach(ctx context.Context, c caller, rec engine.Record, io spec.Stdio) error {
	conn, err := engine.Attach(c.dirs, rec)
	if err != nil {
		return err
	}
	defer conn.Close()
	return a.serve(ctx, conn, rec, io)
}

// each goes on after an error, says each, and ends with the last one's code.
func (a *app) each(refs []string, do func(ref string) error) error {
	var code int
	for _, ref := range refs {
		if err := do(ref); err != nil {
			code = say(a.err, err)
		}
	}
	return exitWith(code)
}

func (a *app) renameCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rename CONTAINER NAME", Short: "Give a container another name", Args: exactly(2, "a container and its new name"),
		RunE: func(_ *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			if err := spec.CheckName(args[1]); err != nil {
				return fmt.Errorf("name %w", err)
			}
			return engine.Rename(c.dirs, args[0], args[1])
		},
	}
}
