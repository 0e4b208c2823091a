package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/spec"
)

type execFlags struct {
	detach, interactive, tty, privileged bool
	user, workdir, detachKeys            string
	env, envFiles                        []string
	preserve                             int
	latest                               bool
	cidfile                              string
}

func (a *app) execCommand() *cobra.Command {
	var f execFlags
	cmd := &cobra.Command{
		Use: "exec [OPTIONS] CONTAINER COMMAND [ARG...]", Short: "Run a further command in a running container",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, uids, gids, err := whoAmI()
			if err != nil {
				return err
			}
			if args, err = f.target(c, args); err != nil {
				return err
			}
			if len(args) < 2 {
				return atLeastOne("a container and a command")(cmd, nil)
			}
			e, err := f.spec(args[1:])
			if err != nil {
				return err
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "mounts")
			}
			if err := os.Setenv("GOMAXPROCS", "1"); err != nil {
				return err
			}
			o := a.engineOptions(c, uids, gids)
			o.Signals = relaying(e.Stdio)
			exit, err := engine.Exec(cmd.Context(), args[0], e, o)
			if err != nil {
				return err
			}
			return exitWith(exit.Code())
		},
	}
	fs := cmd.Flags()
	fs.SetInterspersed(false)
	fs.BoolVarP(&f.detach, "detach", "d", false, "do not wait for the command")
	fs.BoolVarP(&f.interactive, "interactive", "i", false, "connect standard input")
	fs.BoolVarP(&f.tty, "tty", "t", false, "allocate a terminal")
	fs.BoolVar(&f.privileged, "privileged", false, "give it all capabilities in the container's namespaces, and no filters")
	fs.StringVarP(&f.user, "user", "u", "", "run as `NAME|UID[:GROUP|GID]`")
	fs.StringVarP(&f.workdir, "workdir", "w", "", "work in `DIR`")
	fs.StringArrayVarP(&f.env, "env", "e", nil, "set a variable `KEY=VALUE`")
	fs.StringArrayVar(&f.envFiles, "env-file", nil, "read variables from `FILE`")
	fs.StringVar(&f.detachKeys, "detach-keys", "", "`KEYS` that end the connection")
	fs.IntVar(&f.preserve, "preserve-fds", 0, "hand in the `N` file descriptors from 3 on")
	fs.BoolVarP(&f.latest, "latest", "l", false, "in the container that was made last")
	fs.StringVar(&f.cidfile, "cidfile", "", "in the container whose ID is in `FILE`")
	return cmd
}

// target puts the container before the command, if a flag says which it is.
func (f execFlags) target(c caller, args []string) ([]string, error) {
	pick := selection{latest: f.latest}
	switch {
	case f.latest && f.cidfile != "":
		return nil, errors.New("--latest and --cidfile exclude each other")
	case f.cidfile != "":
		pick.cidfiles = []string{f.cidfile}
	case !f.latest:
		return args, nil
	}
	ids, err := pick.choose(c, nil, nil)
	return append(ids, args...), err
}

func (f execFlags) spec(args []string) (engine.ExecSpec, error) {
	e := engine.ExecSpec{Args: args, User: f.user, Workdir: f.workdir, Privileged: f.privileged, Detach: f.detach}
	e.Stdio = spec.Default().Stdio
	e.Stdio.Interactive, e.Stdio.TTY = f.interactive, f.tty
	e.Stdio.Attach.Stdin = f.interactive
	if f.user != "" {
		if _, _, err := spec.ParseUser(f.user); err != nil {
			return e, fmt.Errorf("--user %w", err)
		}
	}
	if f.workdir != "" && !filepath.IsAbs(f.workdir) {
		return e, fmt.Errorf("--workdir %q: is not absolute", f.workdir)
	}
	if f.detachKeys != "" {
		keys, err := spec.ParseDetachKeys(f.detachKeys)
		if err != nil {
			return e, fmt.Errorf("--detach-keys %w", err)
		}
		e.Stdio.DetachKeys = keys
	}
	if f.preserve < 0 || f.preserve > 1000 {
		return e, errors.New("--preserve-fds: is not a number of descriptors")
	}
	for fd := 3; fd < 3+f.preserve; fd++ {
		e.Stdio.PreserveFDs = append(e.Stdio.PreserveFDs, fd)
	}
	return e, f.environment(&e.Env)
}

func (f execFlags) environment(env *spec.Env) error {
	for _, name := range f.envFiles {
		file, err := os.Open(name)
		if err != nil {
			return fmt.Errorf("--env-file: %w", err)
		}
		vars, err := spec.ParseEnvFile(file, os.Environ())
		file.Close()
		if err != nil {
			return fmt.Errorf("--env-file %s: %w", name, err)
		}
		env.Set = append(env.Set, vars...)
	}
	for _, raw := range f.env {
		vars, err := spec.ParseEnv(raw, os.Environ())
		if err != nil {
			return fmt.Errorf("--env %w", err)
		}
		env.Set = append(env.Set, vars...)
	}
	return nil
}
