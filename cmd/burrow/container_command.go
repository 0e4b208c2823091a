package main

import (
	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/cmd/burrow/flags"
	"github.com/burrow-run/burrow/engine"
)

// containerCommand is the same verbs, grouped as in Podman and Docker.
func (a *app) containerCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "container", Short: "Manage containers", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	exists := &cobra.Command{
		Use: "exists CONTAINER", Short: "Say by exit code whether a container exists", Args: exactly(1, "one container"),
		RunE: func(_ *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			if _, err := engine.Lookup(c.dirs, args[0]); err != nil {
				return exitCode(1)
			}
			return nil
		},
	}
	refuse(exists, flags.On("external", "burrow's storage has no containers but its own", ""))
	list := a.psCommand()
	list.Use, list.Aliases = "ls [OPTIONS]", []string{"list", "ps"}
	cmd.AddCommand(list, exists, a.cloneCommand(), a.cleanupCommand())
	cmd.AddCommand(refusedContainerCommands()...)
	cmd.AddCommand(a.containerVerbs()...)
	return cmd
}

// containerVerbs are those that stand both at the top and below `container`.
func (a *app) containerVerbs() []*cobra.Command {
	return []*cobra.Command{
		a.runCommand(), a.createCommand(), a.startCommand(), a.stopCommand(), a.restartCommand(), a.killCommand(),
		a.attachCommand(), a.execCommand(), a.waitCommand(), a.logsCommand(), a.rmCommand(), a.inspectCommand(),
		a.renameCommand(), a.portCommand(), a.topCommand(), a.cpCommand(),
		a.exportCommand(), a.diffCommand(), a.commitCommand(), a.pauseCommand(), a.unpauseCommand(), a.initCommand(),
		a.mountCommand(), a.unmountCommand(),
		a.statsCommand(), a.updateCommand(), a.pruneCommand(),
	}
}
