package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/hint"
)

// jsonMount is Podman's spelling.
type jsonMount struct {
	ID           string   `json:"id"`
	Names        []string `json:"Names"`
	Repositories []string `json:"Repositories"`
	Mountpoint   string   `json:"mountpoint"`
}

func (a *app) mountCmd() *cobra.Command {
	var all bool
	var text string
	c := &cobra.Command{
		Use: "mount [flags] [IMAGE...]", Short: "Mount images, inside burrow unshare",
		Long: "Mount images read-only and print where. They are mounted for the shell that burrow unshare started,\nand go with it. Without arguments list what is mounted.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if all && len(args) > 0 {
				return errors.New("--all and names exclude each other")
			}
			if text != "" && text != "json" {
				return fmt.Errorf("--format %q: mount knows json", text)
			}
			s, err := a.store()
			if err != nil {
				return err
			}
			list := len(args) == 0 && !all
			if all {
				if args, err = allIDs(s); err != nil {
					return err
				}
			}
			var mounts []image.Mounted
			if list {
				mounts, err = s.Mounts(os.Getppid())
			} else {
				mounts, err = s.Mount(cmd.Context(), args, os.Getppid())
			}
			return errors.Join(a.printMounts(mounts, text, len(args) == 1 && !all), outside(err, "mount", args))
		},
	}
	c.Flags().BoolVarP(&all, "all", "a", false, "mount all images")
	c.Flags().StringVar(&text, "format", "", "json")
	return c
}

// outside adds the way in.
func outside(err error, verb string, refs []string) error {
	if !errors.Is(err, image.ErrOutside) {
		return err
	}
	advice := "burrow unshare sh -c 'ls $(burrow image mount " + strings.Join(refs, " ") + ")'"
	if verb == "unmount" {
		advice = "unmount it in the shell of burrow unshare that it was mounted in, or end that"
	}
	return hint.New(fmt.Errorf("image %s: %w", verb, err), advice)
}

func (a *app) printMounts(mounts []image.Mounted, text string, pathOnly bool) error {
	if text == "json" {
		out := make([]jsonMount, len(mounts))
		for i, m := range mounts {
			out[i] = jsonMount{m.ID, m.Digests, m.Names, m.Path}
		}
		return printJSON(a.out, out, " ")
	}
	for _, m := range mounts {
		switch {
		case pathOnly:
			a.println(m.Path)
		case len(m.Names) > 0:
			a.println(m.Names[0] + "  " + m.Path)
		default:
			a.println(shortID(m.ID, false) + "  " + m.Path)
		}
	}
	return nil
}

func (a *app) unmountCmd() *cobra.Command {
	var all, force bool
	c := &cobra.Command{
		Use: "unmount [flags] IMAGE [IMAGE...]", Aliases: []string{"umount"}, Short: "Unmount images",
		RunE: func(_ *cobra.Command, args []string) error {
			if all == (len(args) > 0) {
				return errors.New("give images or --all, one of them")
			}
			s, err := a.store()
			if err != nil {
				return err
			}
			gone, err := s.Unmount(args, all, os.Getppid())
			for _, id := range gone {
				a.println(id)
			}
			return outside(err, "unmount", args)
		},
	}
	c.Flags().BoolVarP(&all, "all", "a", false, "unmount all images")
	c.Flags().BoolVarP(&force, "force", "f", false, "accepted for compatibility: what is open stays usable")
	return c
}
