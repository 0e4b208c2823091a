package main

import (
	"bufio"
	"errors"
	"fmt"
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
			return a.export(cmd, args[0], output, a.engineOptions(c, uids, gids))
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "write to `FILE` in place of standard output")
	return cmd
}

// export leaves no half-written file behind.
func (a *app) export(cmd *cobra.Command, ref, output string, o engine.Options) (err error) {
	out := a.out
	if output != "" && output != "-" {
		if _, err := engine.Lookup(o.Dirs, ref); err != nil {
			return err
		}
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
	if err := engine.Export(cmd.Context(), ref, w, o); err != nil {
		return err
	}
	return w.Flush()
}

func isRegular(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}
