package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/internal/hint"
)

func (a *app) exportCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "export [OPTIONS] CONTAINER", Short: "Write a container's files as a tar archive", Args: exactly(1, "one container"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, uids, gids, err := whoAmI()
			if err != nil {
				return err
			}
			switch {
			case output == "" && term.IsTerminal(int(a.out.Fd())):
				return hint.New(errors.New("export: a tar archive does not go to a terminal"), "burrow export -o FILE "+args[0])
			case strings.Contains(output, ":"):
				return errors.New("--output: a file name with a colon is not taken, as with podman")
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "mounts")
			}
			if _, err := engine.Lookup(c.dirs, args[0]); err != nil {
				return err
			}
			return a.toFile(output, func(w io.Writer) error {
				return engine.Export(cmd.Context(), args[0], w, a.engineOptions(c, uids, gids))
			})
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to `FILE` in place of standard output")
	return cmd
}

// toFile calls write with standard output, or with a file that --output names. It
// leaves no half-written one behind.
func (a *app) toFile(output string, write func(io.Writer) error) (err error) {
	out := a.out
	if output != "" && output != "-" {
		if out, err = os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644); err != nil {
			return fmt.Errorf("--output: %w", err)
		}
		defer func() {
			if err = errors.Join(err, out.Close()); err != nil && isRegular(output) {
				_ = os.Remove(output)
			}
		}()
	}
	w := bufio.NewWriterSize(out, 256<<10)
	if err := write(w); err != nil {
		return err
	}
	return w.Flush()
}

func isRegular(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}
