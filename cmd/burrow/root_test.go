package main

import (
	"os"
	"slices"
	"testing"

	"github.com/spf13/cobra"
)

// A command is found by the names under which it is listed: all that it has.
func TestCommandsHaveTheirNames(t *testing.T) {
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	for _, b := range append(a.commands(nil), builder{a.listCommand, []string{"ls", "list", "ps"}}) {
		cmd := b.make()
		if got := append([]string{cmd.Name()}, cmd.Aliases...); !slices.Equal(got, b.names) {
			t.Errorf("%q is listed as %q", got, b.names)
		}
	}
	all := a.root(nil)
	for _, cmd := range all.Commands() {
		if only := a.root([]string{"--debug", cmd.Name(), "x"}).Commands(); len(only) != 1 || only[0].Name() != cmd.Name() {
			t.Errorf("%s alone: %d commands", cmd.Name(), len(only))
		}
	}
	for _, args := range [][]string{nil, {"--help"}, {"help"}, {"__complete", ""}, {"rnu"}} {
		if n := len(a.root(args).Commands()); n != len(all.Commands()) {
			t.Errorf("%q: %d commands", args, n)
		}
	}
	container := func(args ...string) *cobra.Command { return a.containerCommand(args) }
	if n := len(container("list").Commands()); n != 1 {
		t.Errorf("container list: %d", n)
	}
	if n, every := len(container("rnu").Commands()), len(container().Commands()); n != every || every < 30 {
		t.Errorf("container, misspelt: %d of %d", n, every)
	}
}
