package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/internal/hint"
)

// changes is what diff prints as JSON, with Podman's names.
type changes struct {
	Changed []string `json:"changed,omitempty"`
	Added   []string `json:"added,omitempty"`
	Deleted []string `json:"deleted,omitempty"`
}

func (a *app) diffCommand() *cobra.Command {
	var format string
	var latest bool
	cmd := &cobra.Command{
		Use: "diff [OPTIONS] CONTAINER", Short: "Show what a container has changed of its image",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, uids, gids, err := whoAmI()
			if err != nil {
				return err
			}
			if format != "" && format != "json" {
				return fmt.Errorf("--format %q: diff knows json", format)
			}
			if len(args) == 2 {
				return hint.New(errors.New("diff compares a container with its own image only"), "burrow diff "+args[0])
			}
			if args, err = oneOrLatest(c, args, latest); err != nil {
				return err
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "mounts")
			}
			list, err := engine.Diff(cmd.Context(), args[0], a.engineOptions(c, uids, gids))
			if err != nil {
				return err
			}
			return a.printChanges(list, format)
		},
	}
	cmd.Flags().StringVar(&format, "format", "", "json")
	cmd.Flags().BoolVarP(&latest, "latest", "l", false, "the container that was made last")
	return cmd
}

func (a *app) printChanges(list []engine.Change, format string) error {
	var out changes
	for _, c := range list {
		if format == "" {
			fmt.Fprintf(a.out, "%c %s\n", c.Kind, oneLine(c.Path))
			continue
		}
		switch c.Kind {
		case engine.Changed:
			out.Changed = append(out.Changed, c.Path)
		case engine.Added:
			out.Added = append(out.Added, c.Path)
		case engine.Deleted:
			out.Deleted = append(out.Deleted, c.Path)
		}
	}
	if format == "" {
		return nil
	}
	return a.printJSON(out)
}
