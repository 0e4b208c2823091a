package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/engine/image/unpack"
	"github.com/burrow-run/burrow/internal/hint"
)

// Exit codes, as in Podman.
const (
	exitNo     = 1   // the answer to a question is no
	exitEngine = 125 // Burrow could not do it
)

// app is one invocation.
type app struct {
	env    environment
	in     *os.File
	out    io.Writer
	err    *os.File
	opened *image.Store
	log    *slog.Logger // nil discards
	quiet  bool         // no progress, whatever standard error is
}

func newApp(env environment, in, out, err *os.File) *app {
	return &app{env: env, in: in, out: out, err: err}
}

// exitError ends the command with a code and without a message.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func (a *app) execute(ctx context.Context, args []string) int {
	root := a.root() //nolint:contextcheck // cobra carries it
	root.SetArgs(args)
	root.SetOut(a.out)
	root.SetErr(a.err)
	err := root.ExecuteContext(ctx)
	if a.opened != nil {
		_ = a.opened.Close()
	}
	var code exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	if sig := signalOf(ctx); sig.Signal != 0 {
		if errors.Is(err, context.Canceled) {
			err = sig
		}
		a.report(err)
		return sig.exitCode()
	}
	a.report(err)
	return exitEngine
}

// report prints an error on one line and the advice for it on the next. Of several
// errors each has its lines.
func (a *app) report(err error) {
	if several := joined(err); several != nil {
		for _, e := range several {
			a.report(e)
		}
		return
	}
	fmt.Fprintf(a.err, "burrow: error: %s\n", message(err.Error()))
	if h := advice(err); h != "" {
		fmt.Fprintf(a.err, "hint: %s\n", message(h))
	}
}

// joined are the errors that errors.Join put together; not those that one message
// wraps.
func joined(err error) []error {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	errs := several.Unwrap()
	if all := errors.Join(errs...); all == nil || all.Error() != err.Error() {
		return nil
	}
	return errs
}

// maxMessage bounds a message: strangers choose how long the names in it are.
const maxMessage = 4 << 10

// message is oneLine for what is not wanted whole, whatever its length.
func message(s string) string {
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return oneLine(s)
}

// oneLine keeps text of strangers from forging lines or moving the cursor.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, strings.TrimSpace(s))
}

func advice(err error) string {
	if h := hint.Of(err); h != "" {
		return h
	}
	if errors.Is(err, unpack.ErrUnmapped) {
		return "the image needs more sub-IDs than /etc/subuid and /etc/subgid give you; see `burrow ids`"
	}
	return cmp.Or(hint.OfHost(err), hint.OfHome(err, os.Getenv("HOME")))
}

// store opens the image store on first use.
func (a *app) store() (*image.Store, error) {
	if a.opened != nil {
		return a.opened, nil
	}
	single, err := a.env.checkNamespace()
	if err != nil {
		return nil, err
	}
	opts := image.Options{SingleID: single, UID: a.env.outsideUID(), StorageConf: a.env.storage, Getenv: os.Getenv, Users: a.users, Worker: "/proc/self/exe", Logger: a.log}
	if !a.quiet {
		opts.Notice = a.err
	}
	if term.IsTerminal(int(a.in.Fd())) && term.IsTerminal(int(a.err.Fd())) {
		opts.Ask = a.ask
	}
	if !a.quiet && term.IsTerminal(int(a.err.Fd())) {
		opts.Progress = a.err
	}
	a.opened, err = image.Open(a.env.dirs, opts)
	return a.opened, err
}

// ask has a person choose one of answers, and returns its index.
func (a *app) ask(question string, answers []string) (int, error) {
	fmt.Fprintf(a.err, "%s:\n", oneLine(question))
	for i, answer := range answers {
		fmt.Fprintf(a.err, "%4d  %s\n", i+1, oneLine(answer))
	}
	in := bufio.NewReader(a.in)
	for range 3 {
		fmt.Fprintf(a.err, "Which one? [1-%d] ", len(answers))
		line, err := in.ReadString('\n')
		if err != nil {
			break
		}
		if n, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && n >= 1 && n <= len(answers) {
			return n - 1, nil
		}
	}
	return 0, hint.New(errors.New("none of them was chosen"), "give the full name: "+answers[0])
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use: "burrow", Short: "Manage images",
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	var level string
	root.PersistentFlags().StringVar(&level, "log-level", "", "show what the image libraries log: `LEVEL` is debug, info, warn or error")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return a.logging(level) }
	root.AddCommand(
		a.pullCmd(), a.pushCmd(), a.loadCmd(), a.importCmd(), a.saveCmd(), a.imagesCmd("images"), a.rmiCmd("rmi"),
		a.tagCmd(), a.untagCmd(), a.inspectCmd(), a.loginCmd(), a.logoutCmd(), a.repairCmd(), a.imageCmd(), a.commitCmd(),
		a.adoptCmd(), a.historyCmd(), a.searchCmd(), a.systemCmd(), a.manifestCmd(), a.artifactCmd(),
	)
	hintAtHelp(root)
	return root
}

// hintAtHelp gives what cobra says of too few or too many arguments a name and a hint.
func hintAtHelp(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			if err == nil || hint.Of(err) != "" {
				return err
			}
			return hint.New(fmt.Errorf("%s %w", c.CommandPath(), err), c.CommandPath()+" --help")
		}
	}
	for _, sub := range c.Commands() {
		hintAtHelp(sub)
	}
}

// imageCmd is the same verbs, grouped as in Podman.
func (a *app) imageCmd() *cobra.Command {
	c := &cobra.Command{Use: "image", Short: "Manage images", Args: noArgs, RunE: func(c *cobra.Command, _ []string) error {
		return hint.New(errors.New("image needs a command"), c.CommandPath()+" --help")
	}}
	c.AddCommand(
		a.imagesCmd("ls", "list"), a.existsCmd(), a.inspectCmd(), a.rmiCmd("rm", "remove"), a.tagCmd(), a.untagCmd(),
		a.pruneCmd(), a.pullCmd(), a.pushCmd(), a.loadCmd(), a.importCmd(), a.saveCmd(), a.repairCmd(),
		a.historyCmd(), a.searchCmd(), a.treeCmd(), a.diffCmd(), a.mountCmd(), a.unmountCmd(),
		a.copyCmd(), a.syncCmd(), a.listTagsCmd(), a.deleteCmd(), a.trustCmd(), a.signCmd(),
	)
	return c
}

// noArgs refuses arguments; cobra's own takes them for commands that are not known.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if c.HasSubCommands() {
		return hint.New(fmt.Errorf("unknown command %q for %q", args[0], c.CommandPath()), c.CommandPath()+" --help")
	}
	return hint.New(fmt.Errorf("%s takes no arguments", c.CommandPath()), c.CommandPath()+" --help")
}

func (a *app) println(s string) { fmt.Fprintln(a.out, s) }
