package main

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/posture"
	"github.com/burrow-run/burrow/internal/hint"
)

// app is one invocation of the command line.
type app struct {
	in       *os.File
	out, err *os.File
	ctx      context.Context //nolint:containedctx // cobra hands no context to some hooks
	debug    bool
	service  engine.Service // what a service manager has handed to this process
	// posture takes a supervisor's security report to whoever started it; may be nil.
	posture func(posture.Report)
}

// command runs the command line and returns its exit code.
func command(ctx context.Context, args []string) int {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr, ctx: ctx}
	root := a.root(args) //nolint:contextcheck // the verbs take the context from their command
	root.SetArgs(args)
	root.SetContext(ctx)
	return say(a.err, root.ExecuteContext(ctx))
}

// root is the command line, with the command that args name or with all.
func (a *app) root(args []string) *cobra.Command {
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
		Args:    cobra.ArbitraryArgs,
		Version: version,
		// Without it SuggestionsFor knows only prefixes.
		SuggestionsMinimumDistance: 2,
		CompletionOptions:          cobra.CompletionOptions{HiddenDefaultCmd: true},
	}
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return hint.New(err, cmd.CommandPath()+" --help")
	})
	root.SetVersionTemplate("burrow version {{.Version}}\n") // as `docker --version`
	root.PersistentFlags().BoolVar(&a.debug, "debug", false, "say what happens, with times")
	root.PersistentFlags().Func(logLevel, "`LEVEL` of what is said; debug is --debug, and others change nothing", a.setLogLevel)
	word, rest := firstWord(args)
	if !addNamed(root, word, a.commands(rest)) {
		addAll(root, a.commands(nil))
	}
	return root
}

// commands are those at the top; rest is what follows the command's name.
func (a *app) commands(rest []string) []builder {
	return slices.Concat([]builder{
		{a.psCommand, []string{"ps"}},
		{func() *cobra.Command { return a.containerCommand(rest) }, []string{"container"}},
		{a.volumeCommand, []string{"volume"}},
		{a.secretCommand, []string{"secret"}},
		{a.healthcheckCommand, []string{"healthcheck"}},
		{a.doctorCommand, []string{"doctor"}},
		{a.idsCommand, []string{"ids"}},
		{a.whoisCommand, []string{"whois"}},
		{a.infoCommand, []string{"info"}},
		{a.versionCommand, []string{"version"}},
		{a.eventsCommand, []string{"events"}},
		{a.auditCommand, []string{"audit"}},
		{a.unshareCommand, []string{"unshare"}},
		{a.systemCommand, []string{"system"}},
		{a.generateCommand, []string{"generate"}},
	}, a.containerVerbs(), a.imageCommands())
}

// builder makes a command when it is asked for: all of them with all their flags
// would be a third of what it takes to start this executable.
type builder struct {
	make  func() *cobra.Command
	names []string // its name and its aliases
}

// addNamed adds the command that word names, if it names one.
func addNamed(to *cobra.Command, word string, all []builder) bool {
	for _, b := range all {
		if slices.Contains(b.names, word) {
			to.AddCommand(b.make())
			return true
		}
	}
	return false
}

// addAll is for help, completion and what is misspelt.
func addAll(to *cobra.Command, all []builder) {
	for _, b := range all {
		to.AddCommand(b.make())
	}
}

// firstWord is the first argument that is no flag, and what follows it. Of the flags
// before it one has a value.
func firstWord(args []string) (word string, rest []string) {
	for i, arg := range args {
		if !strings.HasPrefix(arg, "-") && (i == 0 || args[i-1] != "--"+logLevel) {
			return arg, args[i+1:]
		}
	}
	return "", nil
}

// logLevel is a flag of Podman's and Docker's, which scripts set.
const logLevel = "log-level"

func (a *app) setLogLevel(level string) error {
	switch strings.ToLower(level) {
	case "trace", "debug":
		a.debug = true
	case "info", "warn", "warning", "error", "fatal", "panic": // errors and warnings are always said
	default:
		return errors.New("the levels are trace, debug, info, warn, error and fatal")
	}
	return nil
}

// group is a command that only has others below it.
func group(name, short string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
		SuggestionsMinimumDistance: 2, // without it SuggestionsFor knows only prefixes
	}
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

// namesOrAll are the arguments of a command that has --all: names, or all there are.
// what is one of them, with its article.
func namesOrAll(cmd *cobra.Command, args []string, all bool, what string, list func() ([]string, error)) ([]string, error) {
	switch {
	case all && len(args) > 0:
		return nil, errors.New("--all and names exclude each other")
	case all:
		return list()
	}
	return args, atLeastOne(what+", or --all")(cmd, args)
}

func printTo(w io.Writer, s string) error {
	_, err := io.WriteString(w, s)
	return err
}
