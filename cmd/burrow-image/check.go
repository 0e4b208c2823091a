package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/hint"
)

func (a *app) systemCmd() *cobra.Command {
	c := &cobra.Command{Use: "system", Short: "Manage burrow itself", Args: noArgs}
	c.AddCommand(a.checkCmd())
	return c
}

var errDamaged = errors.New("images are damaged")

func (a *app) checkCmd() *cobra.Command {
	var quick, repair, force bool
	var from remoteFlags
	c := &cobra.Command{
		Use: "check [flags]", Short: "Find damaged images and artifacts, and fetch them again", Args: noArgs,
		Long: "Find damaged images. Every layer is read, unpacked again and compared, which takes as much room as the largest for as long. " +
			"With --repair what is damaged is fetched again from the registry that the image came from; it stays the same image, with the same containers.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if force && !repair {
				return hint.New(errors.New("--force is for --repair"), cmd.CommandPath()+" --repair --force")
			}
			remote, err := from.remote(cmd.Flags())
			if err != nil {
				return err
			}
			s, err := a.store()
			if err != nil {
				return err
			}
			damage, err := s.Check(cmd.Context(), quick)
			if err != nil {
				return err
			}
			bad := 0
			for _, d := range damage {
				a.printDamage(d)
				if !repair {
					bad++
					continue
				}
				if err := a.mend(cmd, s, d, remote, force); err != nil {
					fmt.Fprintf(a.out, "%.12s: not repaired: %s\n", d.ID, oneLine(err.Error()))
					bad++
				}
			}
			switch {
			case bad == 0:
				return nil
			case repair:
				return hint.New(fmt.Errorf("%w still: %d", errDamaged, bad), cmd.CommandPath()+" --repair --force removes what cannot be fetched again")
			}
			return hint.New(fmt.Errorf("%w: %d", errDamaged, bad), cmd.CommandPath()+" --repair")
		},
	}
	f := c.Flags()
	f.BoolVarP(&quick, "quick", "q", false, "do not read the content of layers")
	f.BoolVarP(&repair, "repair", "r", false, "fetch again what is damaged")
	f.BoolVarP(&force, "force", "f", false, "remove what cannot be fetched again, unless a running container uses it")
	from.add(f, a.env.authFile)
	f.StringVar(&from.creds, "creds", "", "`USER:PASSWORD` for the registry")
	return c
}

// printDamage shows some of what is wrong: of a layer that is gone every file is.
func (a *app) printDamage(d image.Damage) {
	const some = 10
	for i, p := range d.Problems {
		if i == some {
			fmt.Fprintf(a.out, "%.12s: and %d more\n", d.ID, len(d.Problems)-some)
			return
		}
		fmt.Fprintf(a.out, "%.12s: %s\n", d.ID, oneLine(p))
	}
}

func (a *app) mend(cmd *cobra.Command, s *image.Store, d image.Damage, remote image.Remote, force bool) error {
	err := s.Mend(cmd.Context(), d, remote)
	if err == nil {
		fmt.Fprintf(a.out, "%.12s: repaired\n", d.ID)
		return nil
	}
	if !force {
		return err
	}
	if dropErr := s.Drop(cmd.Context(), d); dropErr != nil {
		return errors.Join(err, dropErr)
	}
	fmt.Fprintf(a.out, "%.12s: removed: %s\n", d.ID, oneLine(err.Error()))
	return nil
}
