package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine/doctor"
	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/userns"
)

func (a *app) doctorCommand() *cobra.Command {
	var format string
	var probe bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Say what on this host is in the way, what it costs, and what fixes it",
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, uids, gids, err := whoAmI()
			if err != nil {
				return err
			}
			if probe {
				return a.probePosture(cmd.Context(), c, uids, gids, format)
			}
			found := doctor.Check(cmd.Context(), doctorEnv(c))
			switch format {
			case "", "text":
				err = doctor.Print(a.out, found)
			case "json":
				err = doctor.PrintJSON(a.out, found)
			default:
				return fmt.Errorf("--format %q: doctor knows text and json", format)
			}
			if err == nil && !doctor.CanRun(found) {
				return exitCode(1)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "text or json")
	cmd.Flags().BoolVar(&probe, "posture", false, "start a container and say what the kernel of this host says of it, beside what every container is to be")
	return cmd
}

// printAs prints v as JSON or through a template, to which a misspelt key is an error.
func (a *app) printAs(template string, v any) error {
	if template == "json" {
		return a.printJSON(v)
	}
	return printEach(a, []any{v}, template)
}

func (a *app) unshareCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "unshare [COMMAND [ARG...]]", Short: "Run a command in the anchor, where you are root over your sub-IDs",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "mounts")
			}
			a.warnLostCwd()
			if len(args) == 0 {
				args = []string{orElse(os.Getenv("SHELL"), "/bin/sh")}
			}
			path, err := exec.LookPath(args[0])
			if err != nil {
				say(a.err, fmt.Errorf("%s: %w", args[0], err))
				if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
					return exitCode(launch.ExitNotFound)
				}
				return exitCode(launch.ExitNotRunning)
			}
			err = syscall.Exec(path, args, withoutStage(os.Environ()))
			say(a.err, fmt.Errorf("exec %s: %w", path, err))
			return exitCode(launch.ExitNotRunning)
		},
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func (a *app) systemCommand() *cobra.Command {
	cmd := group("system", "Manage burrow itself")
	cmd.AddCommand(&cobra.Command{
		Use: "check", Short: "Find damaged images, and fetch them again", DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.execImageTool(cmd.Context(), append([]string{"system", "check"}, args...))
		},
	})
	cmd.AddCommand(a.dfCommand(), a.systemPruneCommand(), a.infoCommand(), a.eventsCommand())
	cmd.AddCommand(&cobra.Command{
		Use: "migrate", Short: "End the anchor, so that the next command makes one with today's sub-IDs",
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			err = userns.Stop(cmd.Context(), c.dirs.Run)
			if err == nil || errors.Is(err, userns.ErrNoAnchor) {
				return nil
			}
			return hint.New(err, orElse(hint.Of(err), "burrow doctor"))
		},
	})
	return cmd
}
