package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine/image"
)

// adoptCmd is what `burrow` asks when an image is in an additional store, or was: by
// exit status, whether it is there. It is no command for people.
func (a *app) adoptCmd() *cobra.Command {
	return &cobra.Command{
		Use: "adopt IMAGE", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.store()
			if err != nil {
				return err
			}
			if _, err = s.Adopt(cmd.Context(), args[0]); errors.Is(err, image.ErrNotFound) {
				return exitError(exitNo)
			}
			return err
		},
	}
}
