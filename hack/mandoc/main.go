// Command mandoc writes manual pages from what the commands say of themselves:
//
//	mandoc [-version V] DIRECTORY EXECUTABLE [EXECUTABLE...]
//
// It asks the first EXECUTABLE, burrow, for --help, of itself and of every
// command it lists, and writes burrow.1, burrow-run.1 … into DIRECTORY. The
// commands of the other executables, which burrow starts in the user's
// namespaces, it asks there. So the pages cannot differ from the flags, and
// none of the executables links a formatter.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	version := flag.String("version", "", "shown at the foot of each page")
	flag.Parse()
	if flag.NArg() < 2 {
		fmt.Fprintln(os.Stderr, "usage: mandoc [-version V] DIRECTORY EXECUTABLE [EXECUTABLE...]")
		os.Exit(2)
	}
	w := writer{dir: flag.Arg(0), version: *version, front: flag.Arg(1), other: map[string]string{}}
	if err := w.write(context.Background(), flag.Args()[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "mandoc:", err)
		os.Exit(1)
	}
}

type writer struct {
	dir, version string
	front        string
	other        map[string]string // command → executable, where it is not front
}

func (w writer) write(ctx context.Context, others []string) error {
	for _, exe := range others {
		p, err := ask(ctx, exe)
		if err != nil {
			return err
		}
		for _, c := range p.commands {
			if c.name != "inspect" { // front shows containers and images
				w.other[c.name] = exe
			}
		}
	}
	return w.tree(ctx, nil, "", nil)
}

// ask returns the help of a command, taken apart.
func ask(ctx context.Context, exe string, words ...string) (page, error) {
	out, err := exec.CommandContext(ctx, exe, append(words, "--help")...).Output()
	if err != nil {
		return page{}, fmt.Errorf("%s %s --help: %w", exe, strings.Join(words, " "), err)
	}
	return parse(strings.ReplaceAll(string(out), filepath.Base(exe)+" ", "burrow ")), nil
}

// tree writes the page of one command and of all below it. short is its line
// in the list of the command above.
func (w writer) tree(ctx context.Context, words []string, short string, above []string) error {
	exe := w.front
	if len(words) > 0 && w.other[words[0]] != "" {
		exe = w.other[words[0]]
	}
	p, err := ask(ctx, exe, words...)
	if err != nil {
		return err
	}
	p.name = strings.Join(append([]string{"burrow"}, words...), "-")
	if p.short = short; short == "" {
		p.short, _, _ = strings.Cut(p.description, "\n")
	}
	p.above = above
	if err := os.WriteFile(filepath.Join(w.dir, p.name+".1"), []byte(p.roff(w.version)), 0o644); err != nil {
		return err
	}
	for _, c := range p.commands {
		if c.name == "help" || c.name == "completion" {
			continue
		}
		below := append(append([]string{}, words...), c.name)
		if err := w.tree(ctx, below, c.text, append(above, p.name)); err != nil {
			return err
		}
	}
	return nil
}
