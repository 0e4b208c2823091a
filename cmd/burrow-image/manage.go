package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/stage"
)

// Exit codes of rmi, as in Podman.
const (
	exitMissing = 1 // an image does not exist, nothing else went wrong
	exitInUse   = 2 // an image is in use
)

func (a *app) tagCmd() *cobra.Command {
	return &cobra.Command{
		Use: "tag IMAGE NAME [NAME...]", Short: "Give an image further names", Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.store()
			if err != nil {
				return err
			}
			if err := s.Tag(cmd.Context(), args[0], args[1:]); err != nil {
				return err
			}
			for _, name := range args[1:] {
				a.noteAs(audit.Tag, args[0], name)
			}
			return nil
		},
	}
}

func (a *app) untagCmd() *cobra.Command {
	return &cobra.Command{
		Use: "untag IMAGE [NAME...]", Short: "Take names from an image", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.store()
			if err != nil {
				return err
			}
			r, err := s.Untag(cmd.Context(), args[0], args[1:])
			a.noteRemoved(r)
			return err
		},
	}
}

func (a *app) existsCmd() *cobra.Command {
	return a.exists("exists IMAGE", "Say by exit status whether an image is stored", (*image.Store).Exists)
}

func (a *app) exists(use, short string, ask func(*image.Store, string) (bool, error)) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := a.store()
			if err != nil {
				return err
			}
			ok, err := ask(s, args[0])
			if err == nil && !ok {
				err = exitError(exitNo)
			}
			return err
		},
	}
}

type removeFlags struct{ all, force, ignore, noPrune bool }

func (a *app) rmiCmd(use string, aliases ...string) *cobra.Command {
	var f removeFlags
	c := &cobra.Command{
		Use: use + " [flags] IMAGE [IMAGE...]", Aliases: aliases, Short: "Remove images",
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.all == (len(args) > 0) {
				return errors.New("give image names or --all, one of them")
			}
			return a.remove(cmd, args, &f)
		},
	}
	fl := c.Flags()
	fl.BoolVarP(&f.all, "all", "a", false, "remove all images")
	fl.BoolVarP(&f.force, "force", "f", false, "remove images with several names, mounted ones, and those of containers, with the containers; and ignore missing ones")
	fl.BoolVarP(&f.ignore, "ignore", "i", false, "it is no error if an image does not exist")
	fl.BoolVar(&f.noPrune, "no-prune", false, "accepted for compatibility: Burrow keeps no untagged parents")
	return c
}

func (a *app) remove(cmd *cobra.Command, refs []string, f *removeFlags) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	if f.all {
		if refs, err = allIDs(s); err != nil {
			return err
		}
	}
	var errs []error
	for _, ref := range refs {
		r, err := s.Remove(cmd.Context(), ref, image.RemoveOptions{AllNames: f.all || f.force})
		if f.force && errors.Is(err, image.ErrInUse) {
			r, err = a.removeUsed(cmd.Context(), s, ref, err)
		}
		if errors.Is(err, image.ErrNotFound) && (f.ignore || f.force) {
			continue
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		a.noteRemoved(r)
		a.printRemoved(r)
	}
	return a.removeResult(errs)
}

// removeUsed removes an image by force, and the containers that were made from it,
// as Podman does.
func (a *app) removeUsed(ctx context.Context, s *image.Store, ref string, why error) (image.Removed, error) {
	if used, ok := errors.AsType[*image.UsedError](why); ok {
		if a.env.asRoot() { // whose anchor a command started in it does not know for its own
			return image.Removed{}, hint.New(why, "burrow rm -f "+strings.Join(used.By, " "))
		}
		if err := a.removeContainers(ctx, used.By); err != nil {
			return image.Removed{}, err
		}
	}
	return s.Remove(ctx, ref, image.RemoveOptions{Force: true})
}

// removeContainers asks the executable that knows containers.
func (a *app) removeContainers(ctx context.Context, names []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir := filepath.Dir(self)
	front := filepath.Join(dir, "burrow")
	if _, err := os.Stat(front); err != nil { // as `make install` puts them
		front = filepath.Join(dir, "..", "..", "bin", "burrow")
	}
	c := exec.CommandContext(ctx, front, append([]string{"rm", "-f", "-t", "0", "--"}, names...)...)
	c.Stderr, c.Env = a.err, append(os.Environ(), stage.Inherited()...)
	if err := c.Run(); err != nil {
		return fmt.Errorf("remove containers %s: %w", strings.Join(names, " "), err)
	}
	return nil
}

func (a *app) printRemoved(r image.Removed) {
	for _, n := range r.Untagged {
		a.println("Untagged: " + n)
	}
	if r.Deleted != "" {
		a.println("Deleted: " + r.Deleted)
	}
}

func allIDs(s *image.Store) ([]string, error) {
	list, err := s.List()
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(list))
	for i := range list {
		if !list[i].ReadOnly { // as Podman: what others keep is not ours to remove, nor meant by "all"
			ids = append(ids, list[i].ID)
		}
	}
	return ids, nil
}

// removeResult reports every error and chooses the exit code.
func (a *app) removeResult(errs []error) error {
	if len(errs) == 0 {
		return nil
	}
	code := exitMissing
	for _, err := range errs {
		a.report(err)
		switch {
		case errors.Is(err, image.ErrNotFound):
		case errors.Is(err, image.ErrInUse) && code != exitEngine:
			code = exitInUse
		case !errors.Is(err, image.ErrInUse):
			code = exitEngine
		}
	}
	return exitError(code)
}

func (a *app) pruneCmd() *cobra.Command {
	var all, force bool
	var filters []string
	c := &cobra.Command{
		Use: "prune [flags]", Short: "Remove images without name", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.store()
			if err != nil {
				return err
			}
			filter, err := s.NewFilter(filters)
			if err != nil {
				return err
			}
			if !force && !a.confirm(all) {
				return nil
			}
			// Without --all what has a name stays, as does what has containers.
			gone, err := s.Prune(cmd.Context(), func(i *image.Summary) bool {
				return (all || len(i.Names) == 0) && filter.Match(i)
			})
			for _, id := range gone {
				a.note(audit.Remove, id, "")
				a.println(id)
			}
			return err
		},
	}
	f := c.Flags()
	f.BoolVarP(&all, "all", "a", false, "remove all images that no container uses and that are not mounted")
	f.BoolVarP(&force, "force", "f", false, "do not ask")
	f.Bool("external", false, "accepted for compatibility: no other engine has containers in Burrow's store")
	f.StringArrayVar(&filters, "filter", nil, "remove only what `KEY=VALUE` picks: label, label!, until")
	return c
}

// confirm asks on standard error, so that output stays data.
func (a *app) confirm(all bool) bool {
	what := "dangling images"
	if all {
		what = "images without at least one container associated to them"
	}
	fmt.Fprintf(a.err, "WARNING! This command removes all %s.\nAre you sure you want to continue? [y/N] ", what)
	answer, _ := bufio.NewReader(a.in).ReadString('\n')
	return slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer)))
}

func (a *app) repairCmd() *cobra.Command {
	return &cobra.Command{
		Use: "repair", Short: "Make plans and names anew from the stored images", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.store()
			if err != nil {
				return err
			}
			n, err := s.Repair(cmd.Context())
			fmt.Fprintf(a.out, "%d images\n", n)
			return hint.New(err, "an image that cannot be repaired can be removed: burrow rmi --force ID")
		},
	}
}
