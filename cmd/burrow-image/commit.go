package main

import (
	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine/plan"
)

// commitCmd is the half of `burrow commit` that stores images; it is started by
// the other half, which knows containers.
func (a *app) commitCmd() *cobra.Command {
	return &cobra.Command{
		Use: "commit", Short: "Make an image of a layer", Args: noArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, layer, err := plan.ReadCommit(a.in)
			if err != nil {
				return err
			}
			s, err := a.store()
			if err != nil {
				return err
			}
			id, err := s.CommitLayer(cmd.Context(), c, layer)
			if err != nil {
				return err
			}
			a.println(id)
			return nil
		},
	}
}
