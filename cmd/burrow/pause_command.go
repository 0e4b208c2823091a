package main

import (
	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
)

func (a *app) pauseCommand() *cobra.Command {
	return a.freezer("pause", "Freeze containers", true, func(r engine.Record) bool { return r.Running() && !r.Paused() })
}

func (a *app) unpauseCommand() *cobra.Command {
	return a.freezer("unpause", "Let frozen containers go on", false, engine.Record.Paused)
}

func (a *app) freezer(name, short string, freeze bool, among func(engine.Record) bool) *cobra.Command {
	var pick selection
	cmd := &cobra.Command{
		Use: name + " [OPTIONS] CONTAINER [CONTAINER...]", Short: short,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.onEach(cmd, args, &pick, among, func(c caller, ref string) error {
				return engine.Pause(cmd.Context(), c.dirs, ref, freeze)
			})
		},
	}
	pick.define(cmd.Flags(), "all", "latest", "filter", "cidfile")
	return cmd
}
