package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/cmd/burrow/flags"
	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/unit"
	"github.com/burrow-run/burrow/internal/hint"
)

func (a *app) generateCommand() *cobra.Command {
	cmd := group("generate", "Write what other programs run containers with")
	cmd.AddCommand(a.generateSystemdCommand())
	return cmd
}

// generateFlags are those of `generate systemd` that are not the unit's.
type generateFlags struct {
	unit.Options
	files       bool
	format      string
	env         []string
	stopTimeout string // --time, Podman's older word
}

func (a *app) generateSystemdCommand() *cobra.Command {
	var g generateFlags
	cmd := &cobra.Command{
		Use: "systemd [OPTIONS] CONTAINER", Short: "Write the systemd unit of a container", Args: exactly(1, "one container"),
		Long: `Write the systemd unit of a container.

The unit starts and stops the container that is there, or with --new one of its
own each time. To use it: put it into ~/.config/systemd/user (as root, into
/etc/systemd/system), then systemctl --user daemon-reload, and
systemctl --user enable --now container-NAME.service. With loginctl enable-linger
it runs from boot on, and after logout.

With --new the unit holds the command line that made the container, as it was
typed: also the values of --env.`,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := g.check(cmd); err != nil {
			return err
		}
		c, _, _, err := whoAmI()
		if err != nil {
			return err
		}
		rec, err := engine.Lookup(c.dirs, args[0])
		if err != nil {
			return err
		}
		if err := g.fill(c, rec); err != nil {
			return err
		}
		if !g.New && !g.Template && rec.Spec.Restart.Policy != "" {
			warn(a.err, fmt.Sprintf("container %s has --restart=%s: it and systemd would both start it again; make it without, and use --restart-policy here",
				rec.Name, rec.Spec.Restart.Policy))
		}
		u, err := unit.Generate(rec, g.Options)
		if err != nil {
			return err
		}
		return a.printUnit(u, g, c)
	}
	g.define(cmd)
	return cmd
}

func (g *generateFlags) define(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.SortFlags = false
	fs.BoolVar(&g.New, "new", false, "make a new container at each start and remove it at the end")
	fs.BoolVarP(&g.files, "files", "f", false, "write a file into the working directory, and print its path")
	fs.BoolVarP(&g.Names, "name", "n", false, "call the container by its name, not by its ID")
	fs.BoolVar(&g.Template, "template", false, "a unit for several containers, NAME@.service; implies --new")
	fs.StringVar(&g.format, "format", "", "json: an object with the unit's text, or with --files its path")
	fs.StringVar(&g.Restart, "restart-policy", "", "when systemd starts it again: `POLICY` of systemd.service(5) (default on-failure; with --new as the container has it)")
	fs.StringVar(&g.RestartSec, "restart-sec", "", "`SECONDS` before that")
	fs.StringVar(&g.StartTimeout, "start-timeout", "", "`SECONDS` within which it must be ready")
	fs.StringVar(&g.StopTimeout, "stop-timeout", "", "`SECONDS` to wait before killing it (default: the container's)")
	fs.StringVarP(&g.stopTimeout, "time", "t", "", "the same as --stop-timeout")
	fs.StringVar(&g.Prefix, "container-prefix", "container", "`PREFIX` of the unit's name")
	fs.StringVar(&g.Separator, "separator", "-", "`TEXT` between that and the container's name")
	fs.BoolVar(&g.NoHeader, "no-header", false, "without version and date")
	fs.StringArrayVar(&g.After, "after", nil, "start it after `UNIT`")
	fs.StringArrayVar(&g.Requires, "requires", nil, "it cannot do without `UNIT`")
	fs.StringArrayVar(&g.Wants, "wants", nil, "it would like to have `UNIT`")
	fs.StringArrayVarP(&g.env, "env", "e", nil, "set `KEY[=VALUE]` for the command of the unit; without a value it is the caller's, KEY* are all that begin so")
}

func (g *generateFlags) check(cmd *cobra.Command) error {
	switch {
	case g.format != "" && g.format != "json":
		return fmt.Errorf("--format %q: generate systemd knows json", g.format)
	case g.Template && cmd.Flags().Changed("new") && !g.New:
		return errors.New("--template and --new=false exclude each other")
	case cmd.Flags().Changed("time") && cmd.Flags().Changed("stop-timeout"):
		return errors.New("--time and --stop-timeout exclude each other")
	}
	if g.stopTimeout != "" {
		g.StopTimeout = g.stopTimeout
	}
	for _, kv := range g.env {
		list, err := unitEnv(kv, os.Environ())
		if err != nil {
			return err
		}
		g.Env = append(g.Env, list...)
	}
	return nil
}

// unitEnv is what one --env asks for.
func unitEnv(kv string, environ []string) ([]string, error) {
	name, _, has := strings.Cut(kv, "=")
	if name == "" || strings.Contains(strings.TrimSuffix(name, "*"), "*") || has && strings.HasSuffix(name, "*") {
		return nil, fmt.Errorf("--env %q: not of the form KEY=VALUE, KEY or KEY*", kv)
	}
	if has {
		return []string{kv}, nil
	}
	prefix, all := strings.CutSuffix(name, "*")
	var out []string
	for _, e := range environ {
		key, _, _ := strings.Cut(e, "=")
		if key == name || all && strings.HasPrefix(key, prefix) {
			out = append(out, e)
		}
	}
	slices.Sort(out)
	return out, nil
}

// fill adds what is known of the container and of us.
func (g *generateFlags) fill(c caller, rec engine.Record) (err error) {
	if g.Executable, err = os.Executable(); err != nil {
		return err
	}
	g.Version, g.Data, g.Now = version, c.dirs.Data, time.Now()
	g.Create, err = createdBy(rec)
	return err
}

// createdBy takes the command line apart that made a container. One that is not
// known is empty.
func createdBy(rec engine.Record) (unit.Create, error) {
	args, found := afterVerb(rec.CreateCommand)
	if !found {
		return unit.Create{}, nil
	}
	typed, rest, err := flags.Split(args)
	if err != nil {
		return unit.Create{}, hint.New(fmt.Errorf("container %s: the command that made it: %w", rec.Name, err), "leave out --new")
	}
	out := unit.Create{Rest: rest, Dir: rec.CreateDir}
	for _, t := range typed {
		out.Flags = append(out.Flags, unit.Flag(t))
	}
	return out, nil
}

// afterVerb is what follows `run` or `create` on a command line.
func afterVerb(command []string) (args []string, found bool) {
	for i, arg := range command {
		if i > 0 && (arg == "run" || arg == "create") { // before it there are flags without values, and `container`
			return command[i+1:], true
		}
	}
	return nil, false
}

func (a *app) printUnit(u unit.Unit, g generateFlags, c caller) error {
	out := u.Text
	if g.files {
		out = filepath.Join(c.cwd, u.Name)
		if err := writeUnit(out, u.Text); err != nil {
			return err
		}
	}
	if g.format == "json" {
		return a.printJSON(map[string]string{strings.TrimSuffix(u.Name, ".service"): out})
	}
	return printTo(a.out, strings.TrimSuffix(out, "\n")+"\n")
}

// writeUnit replaces the file as a whole: systemd may read it at any time. What
// is in a unit everybody can ask systemd for, so that its mode hides nothing.
func writeUnit(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".burrow-unit-")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
