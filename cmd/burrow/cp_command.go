package main

import (
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/internal/hint"
)

func (a *app) cpCommand() *cobra.Command {
	var opts engine.CopyOptions
	var follow bool
	cmd := &cobra.Command{
		Use:   "cp [OPTIONS] CONTAINER:PATH LOCAL | LOCAL CONTAINER:PATH",
		Short: "Copy files into or out of a container, or between containers",
		Long: `Copy files into or out of a container, or between containers.

A LOCAL of - is a tar stream on standard input or output. SOURCE/. copies what
is in a directory and not the directory itself. What is copied out belongs to
you; what is copied in belongs to the container's user, or with --archive to
whoever it belongs to, as the container numbers it.`,
		Args: exactly(2, "a source and a destination"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, uids, gids, err := whoAmI()
			if err != nil {
				return err
			}
			from, to := parsePlace(args[0]), parsePlace(args[1])
			if err := checkPlaces(from, to); err != nil {
				return err
			}
			if to.Container == "" && to.Path == "-" && term.IsTerminal(int(a.out.Fd())) {
				return hint.New(errors.New("cp: a tar stream does not go to a terminal"), "burrow cp "+args[0]+" - | tar tvf -")
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "mounts")
			}
			return engine.Copy(cmd.Context(), from, to, opts, a.engineOptions(c, uids, gids))
		},
	}
	f := cmd.Flags()
	f.BoolVarP(&opts.KeepOwners, "archive", "a", false, "keep owners on the way into a container")
	f.BoolVar(&opts.Overwrite, "overwrite", false, "replace a directory by a file and the other way round")
	f.BoolVarP(&follow, "follow-link", "L", true, "a SOURCE that is a link stands for its target (always)")
	f.BoolP("quiet", "q", true, "show no progress (never)")
	for _, name := range []string{"follow-link", "quiet"} {
		f.Lookup(name).Hidden = true
	}
	return cmd
}

// parsePlace splits CONTAINER:PATH. What begins with a dot or a slash is local,
// so that a local name may have a colon.
func parsePlace(arg string) engine.Place {
	if name, path, ok := strings.Cut(arg, ":"); ok && arg[0] != '.' && arg[0] != '/' {
		return engine.Place{Container: name, Path: path}
	}
	return engine.Place{Path: arg}
}

func checkPlaces(from, to engine.Place) error {
	use := "burrow cp CONTAINER:PATH LOCAL, or burrow cp LOCAL CONTAINER:PATH"
	for _, p := range []engine.Place{from, to} {
		switch {
		case p.Path == "":
			return hint.New(errors.New("cp: a path is empty"), use)
		case strings.HasPrefix(p.String(), ":"):
			return hint.New(errors.New("cp: the name of a container is empty"), use)
		}
	}
	if from.Container == "" && to.Container == "" {
		err := errors.New("cp: neither source nor destination is in a container")
		if _, e := os.Lstat(from.Path); e == nil && from.Path != "-" {
			use = "burrow cp " + from.Path + " CONTAINER:PATH"
		}
		return hint.New(err, use)
	}
	return nil
}
