package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/volume"
	"github.com/burrow-run/burrow/internal/hint"
)

func volumeNames(c caller) (names []string, err error) {
	list, _, err := engine.Volumes(c.dirs)
	for _, v := range list {
		names = append(names, v.Name)
	}
	return names, err
}

func (a *app) volumeRemove() *cobra.Command {
	var all, force bool
	cmd := &cobra.Command{Use: "rm [OPTIONS] VOLUME [VOLUME...]", Aliases: []string{"remove"}, Short: "Remove volumes"}
	cmd.RunE = a.inAnchor(func(cmd *cobra.Command, c caller, args []string) error {
		args, err := namesOrAll(cmd, args, all, "a volume", func() ([]string, error) { return volumeNames(c) })
		if err != nil {
			return err
		}
		var code exitCode
		for _, name := range args {
			removed, err := engine.RemoveUnused(cmd.Context(), c.dirs, name, force)
			switch {
			case err == nil:
				fmt.Fprintln(a.out, removed)
				continue
			case errors.Is(err, volume.ErrNotFound) && force:
				continue
			case errors.Is(err, volume.ErrNotFound): // codes as Podman's
				code = 1
			case errors.Is(err, volume.ErrInUse):
				code = 2
			default:
				code = exitError
			}
			say(a.err, err)
		}
		if code != 0 {
			return code
		}
		return nil
	})
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all volumes")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "kill and remove the containers that have it, too")
	return cmd
}

func (a *app) volumePrune() *cobra.Command {
	var all, force bool
	var filters []string
	cmd := &cobra.Command{Use: "prune [OPTIONS]", Short: "Remove the volumes that no container has", Args: exactly(0, "no arguments")}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		filter, err := engine.NewVolumeFilter(filters)
		if err != nil {
			return err
		}
		return a.inAnchor(func(cmd *cobra.Command, c caller, _ []string) error {
			what := "anonymous volumes that no container has; --all removes named ones too"
			if all {
				what = "volumes that no container has, named ones too"
			}
			if !force && !a.confirm("WARNING! This will remove all "+what+".") {
				return nil
			}
			removed, err := engine.PruneVolumes(cmd.Context(), c.dirs, filter, all)
			for _, name := range removed {
				fmt.Fprintln(a.out, name)
			}
			return err
		})(cmd, args)
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "named volumes too")
	cmd.Flags().BoolVarP(&force, "force", "f", false, "do not ask")
	cmd.Flags().StringArrayVar(&filters, "filter", nil, "only volumes of which `KEY=VALUE` holds")
	return cmd
}

func (a *app) volumeExists() *cobra.Command {
	return &cobra.Command{
		Use: "exists VOLUME", Short: "Say by exit code whether a volume exists", Args: exactly(1, "one volume"),
		RunE: func(_ *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			_, err = engine.FindVolume(c.dirs, args[0])
			if errors.Is(err, volume.ErrNotFound) {
				return exitCode(1)
			}
			return err
		},
	}
}

func (a *app) volumeExport() *cobra.Command {
	var output string
	cmd := &cobra.Command{Use: "export [OPTIONS] VOLUME", Short: "Write a volume's files as a tar archive", Args: exactly(1, "one volume")}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, uids, gids, err := whoAmI()
		switch {
		case err != nil:
			return err
		case output == "" && term.IsTerminal(int(a.out.Fd())):
			return hint.New(errors.New("volume export: a tar archive does not go to a terminal"), "burrow volume export -o FILE "+args[0])
		case !c.inside:
			return enterAnchor(cmd.Context(), c, "")
		}
		if _, err := engine.FindVolume(c.dirs, args[0]); err != nil {
			return err
		}
		return a.toFile(output, func(w io.Writer) error {
			return engine.ExportVolume(cmd.Context(), args[0], w, a.engineOptions(c, uids, gids))
		})
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to `FILE` in place of standard output")
	return cmd
}

func (a *app) volumeImport() *cobra.Command {
	return &cobra.Command{
		Use: "import VOLUME FILE|-", Short: "Add the files of a tar archive to a volume", Args: exactly(2, "a volume and a tar archive, or -"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, uids, gids, err := whoAmI()
			if err != nil {
				return err
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "")
			}
			in := a.in
			if args[1] != "-" {
				if in, err = os.Open(args[1]); err != nil {
					return err
				}
				defer in.Close()
			}
			return engine.ImportVolume(cmd.Context(), args[0], in, a.engineOptions(c, uids, gids))
		},
	}
}

// volumeMount says where a volume's files are. They always are: but only in the
// anchor do the sub-IDs that own them belong to the caller.
func (a *app) volumeMount(verb string) *cobra.Command {
	short := "Print where a volume's files are, inside burrow unshare"
	if verb == "unmount" {
		short = "Print the names of volumes, whose files stay where they are"
	}
	cmd := &cobra.Command{Use: verb + " VOLUME [VOLUME...]", Short: short, Args: atLeastOne("a volume")}
	if verb == "unmount" {
		cmd.Aliases = []string{"umount"}
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		c, _, _, err := whoAmI()
		if err != nil {
			return err
		}
		if !c.inside {
			return hint.New(fmt.Errorf("volume %s: a volume's files belong to your sub-IDs, which you are only in the anchor", verb),
				"burrow unshare sh -c 'ls $(burrow volume mount "+strings.Join(args, " ")+")'")
		}
		return a.each(args, func(name string) error {
			v, err := engine.FindVolume(c.dirs, name)
			switch {
			case err != nil:
				return err
			case v.Mountpoint == "":
				return fmt.Errorf("volume %s is a tmpfs: it has no files but in the container that mounts it", v.Name)
			case verb == "unmount":
				return printTo(a.out, v.Name+"\n")
			}
			return printTo(a.out, v.Mountpoint+"\n")
		})
	}
	return cmd
}
