package main

import (
	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/cmd/burrow/flags"
	"github.com/burrow-run/burrow/engine"
)

// containerCommand is the same verbs, grouped as in Podman and Docker.
func (a *app) containerCommand(args []string) *cobra.Command {
	cmd := group("container", "Manage containers")
	verbs := append(a.containerVerbs(),
		builder{a.listCommand, []string{"ls", "list", "ps"}}, builder{a.containerExists, []string{"exists"}},
		builder{a.cloneCommand, []string{"clone"}}, builder{a.cleanupCommand, []string{"cleanup"}})
	if word, _ := firstWord(args); !addNamed(cmd, word, verbs) {
		addAll(cmd, verbs)
		cmd.AddCommand(refusedContainerCommands()...)
	}
	return cmd
}

func (a *app) listCommand() *cobra.Command {
	list := a.psCommand()
	list.Use, list.Aliases = "ls [OPTIONS]", []string{"list", "ps"}
	return list
}

func (a *app) containerExists() *cobra.Command {
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
	return exists
}

// containerVerbs are those that stand both at the top and below `container`.
func (a *app) containerVerbs() []builder {
	return []builder{
		{a.runCommand, []string{"run"}},
		{a.createCommand, []string{"create"}},
		{a.startCommand, []string{"start"}},
		{a.stopCommand, []string{"stop"}},
		{a.restartCommand, []string{"restart"}},
		{a.killCommand, []string{"kill"}},
		{a.attachCommand, []string{"attach"}},
		{a.execCommand, []string{"exec"}},
		{a.waitCommand, []string{"wait"}},
		{a.logsCommand, []string{"logs"}},
		{a.rmCommand, []string{"rm"}},
		{a.inspectCommand, []string{"inspect"}},
		{a.renameCommand, []string{"rename"}},
		{a.portCommand, []string{"port"}},
		{a.topCommand, []string{"top"}},
		{a.cpCommand, []string{"cp"}},
		{a.exportCommand, []string{"export"}},
		{a.diffCommand, []string{"diff"}},
		{a.commitCommand, []string{"commit"}},
		{a.pauseCommand, []string{"pause"}},
		{a.unpauseCommand, []string{"unpause"}},
		{a.initCommand, []string{"init"}},
		{a.mountCommand, []string{"mount"}},
		{a.unmountCommand, []string{"unmount", "umount"}},
		{a.statsCommand, []string{"stats"}},
		{a.updateCommand, []string{"update"}},
		{a.pruneCommand, []string{"prune"}},
	}
}
