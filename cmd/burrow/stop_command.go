package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/spec"
)

// stopFlags are how containers are asked to end.
type stopFlags struct{ timeout, signal string }

func (f *stopFlags) define(fs *pflag.FlagSet) {
	fs.StringVarP(&f.timeout, "time", "t", "", "`SECONDS` to wait before killing (default: the container's, else 10)")
	fs.StringVarP(&f.signal, "signal", "s", "", "`SIGNAL` to ask by (default: the container's, else TERM)")
	fs.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "timeout" { // Docker's name
			name = "time"
		}
		return pflag.NormalizedName(name)
	})
}

// stopper checks the flags and returns what stops a container.
func (f *stopFlags) stopper(ctx context.Context) (func(caller, string) (engine.Record, error), error) {
	var by syscall.Signal
	var err error
	if f.signal != "" {
		if by, err = spec.ParseSignal(f.signal); err != nil {
			return nil, fmt.Errorf("--signal %w", err)
		}
	}
	if f.timeout != "" {
		if _, err := seconds(f.timeout); err != nil {
			return nil, fmt.Errorf("--time %w", err)
		}
	}
	return func(c caller, ref string) (engine.Record, error) {
		t, err := stopTimeout(c, ref, f.timeout)
		if err != nil {
			return engine.Record{}, err
		}
		return engine.StopBy(ctx, c.dirs, ref, t, by)
	}, nil
}

func (a *app) stopCommand() *cobra.Command {
	var f stopFlags
	var pick selection
	var untilBoot bool
	cmd := &cobra.Command{
		Use: "stop [OPTIONS] CONTAINER [CONTAINER...]", Short: "Ask containers to end, and kill them if they do not",
		RunE: func(cmd *cobra.Command, args []string) error {
			stop, err := f.stopper(cmd.Context())
			if err != nil {
				return err
			}
			return a.onEach(cmd, args, &pick, engine.Record.Running, func(c caller, ref string) error {
				before, err := engine.Lookup(c.dirs, ref)
				if err != nil {
					return err
				}
				ran := before.Running()
				after, err := stop(c, ref)
				if err == nil && untilBoot && ran {
					err = engine.MarkUntilBoot(after)
				}
				return err
			})
		},
	}
	f.define(cmd.Flags())
	pick.define(cmd.Flags(), "all", "latest", "filter", "cidfile", "ignore")
	cmd.Flags().BoolVar(&untilBoot, "until-boot", false, "those that start by themselves after a boot still do (for the end of a session)")
	return cmd
}

func (a *app) restartCommand() *cobra.Command {
	var f stopFlags
	var running bool
	var pick selection
	cmd := &cobra.Command{
		Use: "restart [OPTIONS] CONTAINER [CONTAINER...]", Short: "Stop and start containers",
		RunE: func(cmd *cobra.Command, args []string) error {
			stop, err := f.stopper(cmd.Context())
			if err != nil {
				return err
			}
			var among func(engine.Record) bool
			if running {
				pick.all, among = true, engine.Record.Running
			}
			return a.onEach(cmd, args, &pick, among, func(c caller, ref string) error {
				rec, err := stop(c, ref)
				if err != nil {
					return err
				}
				if err := a.startRequired(cmd.Context(), c, rec); err != nil {
					return err
				}
				engine.NoteRestarting(c.dirs, rec)
				if err := a.startSupervisor(cmd.Context(), rec, nil); err != nil && !errors.Is(err, engine.ErrRunning) {
					return err
				}
				return nil
			})
		},
	}
	f.define(cmd.Flags())
	cmd.Flags().BoolVar(&running, "running", false, "all that run")
	pick.define(cmd.Flags(), "all", "latest", "filter", "cidfile")
	return cmd
}

func (a *app) killCommand() *cobra.Command {
	var name string
	var pick selection
	cmd := &cobra.Command{
		Use: "kill [OPTIONS] CONTAINER [CONTAINER...]", Short: "Send a signal to containers",
		RunE: func(cmd *cobra.Command, args []string) error {
			sig, err := spec.ParseSignal(name)
			if err != nil {
				return fmt.Errorf("--signal %w", err)
			}
			return a.onEach(cmd, args, &pick, engine.Record.Running, func(c caller, ref string) error {
				rec, err := engine.Signal(c.dirs, ref, sig)
				if err == nil && sig == syscall.SIGKILL {
					_, err = engine.Stop(cmd.Context(), c.dirs, rec.ID, 0)
					if errors.Is(err, engine.ErrNoContainer) {
						err = nil // it had --rm, and has gone already
					}
				}
				return err
			})
		},
	}
	cmd.Flags().StringVarP(&name, "signal", "s", "KILL", "`SIGNAL` by name or number")
	pick.define(cmd.Flags(), "all", "latest", "filter", "cidfile")
	return cmd
}

// onEach does something to each chosen container, inside the anchor.
func (a *app) onEach(cmd *cobra.Command, args []string, pick *selection, among func(engine.Record) bool,
	do func(c caller, ref string) error,
) error {
	c, _, _, err := whoAmI()
	if err != nil {
		return err
	}
	if !c.inside {
		return enterAnchor(cmd.Context(), c, "")
	}
	if args, err = pick.choose(c, args, among); err != nil {
		return err
	}
	return a.each(args, func(ref string) error {
		err := do(c, ref)
		if pick.ignore && errors.Is(err, engine.ErrNoContainer) {
			return nil
		}
		if err == nil {
			fmt.Fprintln(a.out, ref)
		}
		return err
	})
}

// stopTimeout is how long the container gets: the flag's, else its own.
func stopTimeout(c caller, ref, text string) (time.Duration, error) {
	if text != "" {
		return seconds(text)
	}
	rec, err := engine.Lookup(c.dirs, ref)
	return rec.Spec.Stop.Timeout, err
}
