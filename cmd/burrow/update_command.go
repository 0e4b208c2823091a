package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/cmd/burrow/flags"
	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/internal/hint"
)

func (a *app) updateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "update [OPTIONS] CONTAINER [CONTAINER...]", Short: "Change the limits of containers, also while they run",
		Args: atLeastOne("a container"),
	}
	f := flags.AddUpdate(cmd.Flags())
	refuse(cmd, flags.UpdateRefusals()...)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, _, _, err := whoAmI()
		if err != nil {
			return err
		}
		if !c.inside {
			return enterAnchor(cmd.Context(), c, "")
		}
		return a.each(args, func(ref string) error {
			rec, err := engine.Update(cmd.Context(), c.dirs, ref, f.Apply)
			if err != nil {
				if hint.Of(err) == "" && !errors.Is(err, engine.ErrNoContainer) {
					err = hint.New(err, "burrow update --help")
				}
				return err
			}
			a.comeBack(cmd.Context(), c, rec.Spec)
			fmt.Fprintln(a.out, rec.ID)
			return nil
		})
	}
	return cmd
}
