package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

func (a *app) imagesCmd() *cobra.Command {
	return &cobra.Command{
		Use: "images", Short: "List images", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := a.store()
			if err != nil {
				return err
			}
			list, err := s.List()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
			for _, i := range list {
				fmt.Fprintln(w, i.Names, "\t", i.ID[:12], "\t", i.Size)
			}
			return w.Flush()
		},
	}
}
