package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

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
		rec, err := engine.Create(cmd.Context(), s, a.engineOptions(c, uids, gids))
		if err != nil {
			return err
		}
		fmt.Fprintln(a.out, rec.ID)
		return nil
	}
	return cmd
}

func (a *app) startCommand() *cobra.Command {
	var attach, interactive, all bool
	cmd := &cobra.Command{
		Use: "start [OPTIONS] CONTAINER [CONTAINER...]", Short: "Start containers",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "")
			}
			if all {
				if args, err = idsWhere(c, args, func(r engine.Record) bool { return !r.Running() }); err != nil {
					return err
				}
			} else if err := atLeastOne("a container, or --all")(cmd, args); err != nil {
				return err
			}
			if attach || interactive {
				return a.startOne(cmd.Context(), c, args, interactive)
			}
			return a.each(args, func(ref string) error {
				rec, err := engine.Lookup(c.dirs, ref)
				if err != nil {
					return err
				}
				if !rec.Running() {
					// Of several that start it one does; for the others it runs already.
					err := startSupervisor(cmd.Context(), rec.ID, nil)
					if err != nil && !errors.Is(err, engine.ErrRunning) {
						return err
					}
				}
				fmt.Fprintln(a.out, ref)
				return nil
			})
		},
	}
	cmd.Flags().BoolVarP(&attach, "attach", "a", false, "show its output and wait for its end")
	cmd.Flags().BoolVarP(&interactive, "interactive", "i", false, "connect standard input")
	cmd.Flags().BoolVar(&all, "all", false, "all that do not run")
	return cmd
}

func (a *app) startOne(ctx context.Context, c caller, args []string, interactive bool) error {
	if len(args) != 1 {
		return errors.New("burrow start --attach takes one container")
	}
	rec, err := engine.Lookup(c.dirs, args[0])
	if err != nil {
		return err
	}
	io := rec.Spec.Stdio
	io.Interactive = io.Interactive && interactive
	return a.startAttached(ctx, rec, io)
}

func (a *app) attachCommand() *cobra.Command {
	var noStdin bool
	var keys string
	sigProxy := true
	cmd := &cobra.Command{
		Use: "attach [OPTIONS] CONTAINER", Short: "Connect with a running container", Args: exactly(1, "one container"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "")
			}
			rec, err := engine.Lookup(c.dirs, args[0])
			if err != nil {
				return err
			}
			conn, err := engine.Attach(c.dirs, rec)
			if err != nil {
				return err
			}
			defer conn.Close()
			io := rec.Spec.Stdio
			io.Interactive = io.Interactive && !noStdin
			io.SigProxy = sigProxy
			if cmd.Flags().Changed("detach-keys") {
				if io.DetachKeys, err = spec.ParseDetachKeys(keys); err != nil {
					return fmt.Errorf("--detach-keys %w", err)
				}
			}
			return a.serve(cmd.Context(), conn, rec, io)
		},
	}
	cmd.Flags().BoolVar(&noStdin, "no-stdin", false, "do not connect standard input")
	cmd.Flags().StringVar(&keys, "detach-keys", "", "`KEYS` that end the connection")
	cmd.Flags().BoolVar(&sigProxy, "sig-proxy", true, "forward signals to the container")
	return cmd
}

func (a *app) stopCommand() *cobra.Command {
	var timeout string
	var all, ignore bool
	cmd := &cobra.Command{
		Use: "stop [OPTIONS] CONTAINER [CONTAINER...]", Short: "Ask containers to end, and kill them if they do not",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onRunning(cmd, args, all, ignore, func(c caller, ref string) error {
				t, err := stopTimeout(c, ref, timeout)
				if err != nil {
					return err
				}
				_, err = engine.Stop(cmd.Context(), c.dirs, ref, t)
				return err
			})
		},
	}
	cmd.Flags().StringVarP(&timeout, "time", "t", "", "`SECONDS` to wait before killing (default: the container's, else 10)")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all that run")
	cmd.Flags().BoolVarP(&ignore, "ignore", "i", false, "a container that does not exist is no error")
	return cmd
}

func (a *app) restartCommand() *cobra.Command {
	var timeout string
	var all, running bool
	cmd := &cobra.Command{
		Use: "restart [OPTIONS] CONTAINER [CONTAINER...]", Short: "Stop and start containers",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onRunning(cmd, args, all || running, false, func(c caller, ref string) error {
				t, err := stopTimeout(c, ref, timeout)
				if err != nil {
					return err
				}
				rec, err := engine.Stop(cmd.Context(), c.dirs, ref, t)
				if err != nil {
					return err
				}
				if err := startSupervisor(cmd.Context(), rec.ID, nil); err != nil && !errors.Is(err, engine.ErrRunning) {
					return err
				}
				return nil
			})
		},
	}
	cmd.Flags().StringVarP(&timeout, "time", "t", "", "`SECONDS` to wait before killing")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all that run")
	cmd.Flags().BoolVar(&running, "running", false, "all that run")
	return cmd
}

func (a *app) killCommand() *cobra.Command {
	var name string
	var all bool
	cmd := &cobra.Command{
		Use: "kill [OPTIONS] CONTAINER [CONTAINER...]", Short: "Send a signal to containers",
		RunE: func(cmd *cobra.Command, args []string) error {
			sig, err := spec.ParseSignal(name)
			if err != nil {
				return fmt.Errorf("--signal %w", err)
			}
			return a.onRunning(cmd, args, all, false, func(c caller, ref string) error {
				rec, err := engine.Signal(c.dirs, ref, sig)
				if err == nil && sig == syscall.SIGKILL {
					_, err = engine.Stop(cmd.Context(), c.dirs, rec.ID, 0)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVarP(&name, "signal", "s", "KILL", "`SIGNAL` by name or number")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all that run")
	return cmd
}

// onRunning does something to each container, inside the anchor.
func (a *app) onRunning(cmd *cobra.Command, args []string, all, ignore bool, do func(c caller, ref string) error) error {
	c, _, _, err := whoAmI()
	if err != nil {
		return err
	}
	if !c.inside {
		return enterAnchor(cmd.Context(), c, "")
	}
	if all {
		if args, err = idsWhere(c, args, engine.Record.Running); err != nil {
			return err
		}
	} else if err := atLeastOne("a container, or --all")(cmd, args); err != nil {
		return err
	}
	return a.each(args, func(ref string) error {
		err := do(c, ref)
		if ignore && errors.Is(err, engine.ErrNoContainer) {
			return nil
		}
		if err == nil {
			fmt.Fprintln(a.out, ref)
		}
		return err
	})
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

func idsWhere(c caller, args []string, want func(engine.Record) bool) ([]string, error) {
	if len(args) > 0 {
		return nil, errors.New("--all and names exclude each other")
	}
	records, _, err := engine.List(c.dirs)
	var ids []string
	for _, r := range records {
		if want(r) {
			ids = append(ids, r.ID)
		}
	}
	return ids, err
}

func (a *app) waitCommand() *cobra.Command {
	return &cobra.Command{
		Use: "wait CONTAINER [CONTAINER...]", Short: "Wait until containers have ended and print their exit codes",
		Args: atLeastOne("a container"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			return a.each(args, func(ref string) error {
				rec, err := engine.Wait(cmd.Context(), c.dirs, ref)
				if err == nil {
					fmt.Fprintln(a.out, rec.ExitCode)
				}
				return err
			})
		},
	}
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

func (a *app) portCommand() *cobra.Command {
	return &cobra.Command{
		Use: "port CONTAINER", Short: "Show the published ports of a container", Args: exactly(1, "one container"),
		RunE: func(_ *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			rec, err := engine.Lookup(c.dirs, args[0])
			if err != nil {
				return err
			}
			for _, p := range rec.Ports {
				fmt.Fprintln(a.out, p)
			}
			return nil
		},
	}
}

// stopTimeout is how long the container gets: the flag's, else its own.
func stopTimeout(c caller, ref, text string) (time.Duration, error) {
	if text != "" {
		return seconds(text)
	}
	rec, err := engine.Lookup(c.dirs, ref)
	return rec.Spec.Stop.Timeout, err
}
