package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/internal/hint"
)

// app is one invocation of the command line.
type app struct {
	in       *os.File
	out, err *os.File
	ctx      context.Context //nolint:containedctx // cobra hands no context to some hooks
	debug    bool
	service  engine.Service // what a service manager has handed to this process
}

// command runs the command line and returns its exit code.
func command(ctx context.Context, args []string) int {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, ctx: ctx}
	root := a.root() //nolint:contextcheck // the verbs take the context from their command
	root.SetArgs(args)
	root.SetContext(ctx)
	return say(a.err, root.ExecuteContext(ctx))
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "burrow",
		Short:         "Run containers without root, each in a user namespace of its own",
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
		Args: cobra.ArbitraryArgs,
		// Without it SuggestionsFor knows only prefixes.
		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hint.New(err, cmd.CommandPath()+" --help")
	})
	root.PersistentFlags().BoolVar(&a.debug, "debug", false, "say what happens, with times")
	root.AddCommand(
		a.psCommand(), a.containerCommand(), a.volumeCommand(), a.secretCommand(), a.healthcheckCommand(),
		a.doctorCommand(), a.idsCommand(), a.whoisCommand(),
		a.infoCommand(), a.versionCommand(), a.eventsCommand(), a.auditCommand(), a.unshareCommand(), a.systemCommand(), a.generateCommand(),
	)
	root.AddCommand(a.containerVerbs()...)
	root.AddCommand(a.imageCommands()...)
	return root
}

func unknownCommand(cmd *cobra.Command, name string) error {
	h := "burrow --help"
	if s := cmd.SuggestionsFor(name); len(s) > 0 {
		h = "burrow " + s[0]
	}
	return hint.New(errors.New("unknown command \""+oneLine(name)+"\""), h)
}

// exactly is cobra.ExactArgs with one clear line.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return hint.New(errors.New(cmd.CommandPath()+" takes "+what), cmd.CommandPath()+" --help")
		}
		return nil
	}
}

func atLeastOne(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return hint.New(errors.New(cmd.CommandPath()+" needs "+what), cmd.CommandPath()+" --help")
		}
		return nil
	}
}

func printTo(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}
