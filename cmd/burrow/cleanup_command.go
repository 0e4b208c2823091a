package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/cmd/burrow/flags"
	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

func (a *app) cleanupCommand() *cobra.Command {
	var remove, removeImage bool
	var pick selection
	cmd := &cobra.Command{
		Use: "cleanup [OPTIONS] CONTAINER [CONTAINER...]", Short: "Do what killed supervisors of containers have left to do",
		RunE: func(cmd *cobra.Command, args []string) error {
			ended := func(r engine.Record) bool { return !r.Running() }
			return a.onEach(cmd, args, &pick, ended, func(c caller, ref string) error {
				rec, err := engine.Cleanup(cmd.Context(), c.dirs, ref)
				if err == nil && (remove || removeImage) {
					_, err = engine.Remove(cmd.Context(), c.dirs, rec.ID, false)
				}
				if err == nil && removeImage && rec.ImageID != "" {
					a.removeImage(cmd.Context(), rec.Image)
				}
				return err
			})
		},
	}
	cmd.Flags().BoolVar(&remove, "rm", false, "then remove the container")
	cmd.Flags().BoolVar(&removeImage, "rmi", false, "then remove the container, and its image unless another one has it")
	pick.define(cmd.Flags(), "all", "latest")
	refuse(cmd, flags.No("exec", "nothing of an exec stays that could be cleaned up", ""))
	return cmd
}

// mountCommand prints where a running container's root is. A run mounts it in a
// mount namespace of its own, where nothing can be left behind; the kernel shows
// it to those who may look.
func (a *app) mountCommand() *cobra.Command {
	var format string
	var pick selection
	cmd := &cobra.Command{
		Use: "mount [OPTIONS] [CONTAINER...]", Short: "Print where the root of running containers is, inside burrow unshare",
		RunE: func(_ *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			if format != "" && format != "json" {
				return fmt.Errorf("--format %q: mount knows json", format)
			}
			if !c.inside {
				return hint.New(errors.New("mount: a container's files belong to your sub-IDs, which you are only in the anchor"),
					"burrow unshare sh -c 'ls $(burrow mount CONTAINER)'")
			}
			list := len(args) == 0 && !pick.all && !pick.latest
			pick.all = pick.all || list
			if args, err = pick.choose(c, args, engine.Record.Running); err != nil {
				return err
			}
			records, err := lookupAll(c, args)
			if err != nil {
				return err
			}
			return a.printMounts(records, list, format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "json")
	cmd.Flags().Bool("no-trunc", false, "whole IDs, as they always are")
	pick.define(cmd.Flags(), "all", "latest")
	return cmd
}

type containerMount struct {
	ID         string `json:"id"`
	Names      []string
	Mountpoint string `json:"mountpoint"`
}

func (a *app) printMounts(records []engine.Record, list bool, format string) error {
	out := make([]containerMount, 0, len(records))
	for _, r := range records {
		if !r.Running() {
			return hint.New(fmt.Errorf("mount %s: %w: its root is mounted only while it runs", r.Name, engine.ErrNotRunning),
				"burrow cp "+r.Name+":/PATH - | tar t; or burrow export "+r.Name)
		}
		out = append(out, containerMount{r.ID, []string{r.Name}, fmt.Sprintf("/proc/%d/root", r.PID)})
	}
	if format == "json" {
		return a.printJSON(out)
	}
	for _, m := range out {
		if list || len(out) > 1 {
			fmt.Fprintf(a.out, "%s  ", m.ID)
		}
		fmt.Fprintln(a.out, m.Mountpoint)
	}
	return nil
}

// unmountCommand ends nothing: what mount prints is there as long as the container runs.
func (a *app) unmountCommand() *cobra.Command {
	var pick selection
	cmd := &cobra.Command{
		Use: "unmount [OPTIONS] CONTAINER [CONTAINER...]", Aliases: []string{"umount"},
		Short: "Print the IDs of containers, whose roots stay mounted as long as they run",
		RunE: func(_ *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			if args, err = pick.choose(c, args, engine.Record.Running); err != nil {
				return err
			}
			return a.each(args, func(ref string) error {
				rec, err := engine.Lookup(c.dirs, ref)
				if err == nil {
					fmt.Fprintln(a.out, rec.ID)
				}
				return err
			})
		},
	}
	pick.define(cmd.Flags(), "all", "latest")
	refuse(cmd, flags.On("force", "there is no mount of burrow's to be taken away", "burrow stop").Short("f"))
	return cmd
}

func refusedContainerCommands() []*cobra.Command {
	return []*cobra.Command{
		refusedCommand("checkpoint", whyCheckpoint, "burrow pause CONTAINER freezes it; burrow commit CONTAINER keeps its files"),
		refusedCommand("restore", whyCheckpoint, "burrow start CONTAINER"),
		refusedCommand("runlabel", "an image must not choose the command that runs on the host", "burrow inspect -f '{{json .Labels}}' IMAGE shows it"),
	}
}

// refusedCommand is a command of other engines that is an error of ours.
func refusedCommand(name, why, advice string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: "Not supported: " + why, Hidden: true, DisableFlagParsing: true,
		RunE: func(_ *cobra.Command, args []string) error {
			if n := len(args); n > 0 && spec.CheckName(args[n-1]) == nil {
				advice = strings.ReplaceAll(advice, "CONTAINER", args[n-1])
			}
			return hint.New(fmt.Errorf("%s is %w: %s", name, flags.ErrUnsupported, why), advice)
		},
	}
}
