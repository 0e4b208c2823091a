package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
)

func (a *app) pruneCommand() *cobra.Command {
	var force bool
	var filters []string
	cmd := &cobra.Command{
		Use: "prune [OPTIONS]", Short: "Remove all containers that do not run", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			filter, err := engine.NewFilter(c.dirs, filters, "until", "label", "label!")
			if err != nil {
				return err
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "")
			}
			if !force && !a.confirm("WARNING! This will remove all non running containers.") {
				return nil
			}
			removed, err := engine.Prune(cmd.Context(), c.dirs, filter)
			for _, id := range removed {
				fmt.Fprintln(a.out, id)
			}
			return err
		},
	}
	cmd.Flags().BoolVarP(&force, "force", "f", false, "do not ask")
	cmd.Flags().StringArrayVar(&filters, "filter", nil, "only containers of which `KEY=VALUE` holds: until, label, label!")
	return cmd
}

// confirm asks a question whose answer is no unless it is yes.
func (a *app) confirm(text string) bool {
	fmt.Fprintf(a.out, "%s\nAre you sure you want to continue? [y/N] ", text)
	answer, _ := bufio.NewReader(a.in).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}
