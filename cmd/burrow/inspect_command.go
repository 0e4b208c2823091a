package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/volume"
	"github.com/burrow-run/burrow/internal/hint"
)

// inspectCommand shows containers from their records, volumes from their store,
// and leaves images to the executable that knows them.
func (a *app) inspectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "inspect [OPTIONS] CONTAINER|IMAGE|VOLUME [...]", Short: "Show a container, an image or a volume as JSON",
		DisableFlagParsing: true,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o, err := parseInspect(args)
		if err != nil {
			return hint.New(err, cmd.CommandPath()+" --help")
		}
		if o.help {
			return cmd.Help()
		}
		c, _, _, err := whoAmI()
		if err != nil {
			return err
		}
		if o.size && !c.inside { // what containers wrote is not all ours to look at
			return enterAnchor(cmd.Context(), c, "")
		}
		return a.inspect(cmd, c, o, args)
	}
	cmd.Flags().StringP("format", "f", "", "json, or a Go template")
	cmd.Flags().StringP("type", "t", "all", "container, image, volume or all")
	cmd.Flags().BoolP("size", "s", false, "of a container: how much it has written, and with its image")
	cmd.Flags().Bool("security-report", false, "of a running container: what the kernel says of it beside what was asked for, as a table")
	cmd.Flags().BoolP("latest", "l", false, "the container that was made last")
	return cmd
}

func (a *app) inspect(cmd *cobra.Command, c caller, o inspectOptions, args []string) error {
	if o.latest {
		ids, err := latestOf(c)
		if err != nil {
			return err
		}
		o.names, o.kind = ids, "container"
	}
	if o.kind == "all" || o.kind == "container" {
		records, err := lookupAll(c, o.names)
		if err == nil && o.security {
			return a.printPostures(c, records, o)
		}
		if err == nil {
			return a.printInspect(c, records, o)
		}
		if o.kind == "container" || !errors.Is(err, engine.ErrNoContainer) {
			return err
		}
	}
	if o.security {
		return errors.New("--security-report is about containers")
	}
	if o.size && o.kind != "all" {
		return errors.New("--size is about containers")
	}
	if o.kind == "volume" || o.kind == "all" && areVolumes(c, o.names) {
		return a.inspectVolumes(c, o)
	}
	return a.execImageTool(cmd.Context(), append([]string{"inspect"}, args...))
}

// areVolumes says that names are those of volumes and not of images, which go first.
func areVolumes(c caller, names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		if _, err := plan.Match(c.dirs, name); err == nil {
			return true
		}
		_, err := engine.FindVolume(c.dirs, name)
		return errors.Is(err, volume.ErrNotFound)
	})
}

func (a *app) inspectVolumes(c caller, o inspectOptions) error {
	var out []volumeInspected
	for _, name := range o.names {
		v, err := engine.FindVolume(c.dirs, name)
		if err != nil {
			return err
		}
		out = append(out, inspectVolume(v))
	}
	return printEach(a, out, o.format)
}

// inspectOptions are read by hand, because what is meant for an image goes on
// to the other executable unread.
type inspectOptions struct {
	names              []string
	format, kind       string
	help, size, latest bool
	security           bool
}

func parseInspect(args []string) (o inspectOptions, err error) {
	o.kind = "all"
	for i := 0; i < len(args); i++ {
		if args[i] == "--" {
			o.names = append(o.names, args[i+1:]...)
			break
		}
		name, value, has := strings.Cut(args[i], "=")
		var to *string
		switch name {
		case "-f", "--format":
			to = &o.format
		case "-t", "--type":
			to = &o.kind
		default:
			if !strings.HasPrefix(name, "-") {
				o.names = append(o.names, args[i])
			} else if !o.on(args[i]) {
				return o, fmt.Errorf("unknown flag: %s", name)
			}
			continue
		}
		if !has {
			if i++; i >= len(args) {
				return o, fmt.Errorf("flag needs an argument: %s", name)
			}
			value = args[i]
		}
		*to = value
	}
	return o, o.check()
}

// on reads the flags that take no value.
func (o *inspectOptions) on(flag string) bool {
	switch flag {
	case "-h", "--help":
		o.help = true
	case "-s", "--size":
		o.size = true
	case "-l", "--latest":
		o.latest = true
	case "--security-report":
		o.security = true
	default:
		return false
	}
	return true
}

func (o *inspectOptions) check() error {
	switch {
	case o.help:
		return nil
	case !slices.Contains([]string{"all", "container", "image", "volume"}, o.kind):
		return fmt.Errorf("--type %q: inspect knows container, image, volume and all", o.kind)
	case o.security && (o.kind == "image" || o.kind == "volume" || o.size):
		return errors.New("--security-report is about containers, and excludes --size")
	case o.security && o.format != "" && o.format != "json":
		return fmt.Errorf("--format %q: a security report is a table or json", o.format)
	case o.latest && (len(o.names) > 0 || o.kind == "image" || o.kind == "volume"):
		return errors.New("--latest is a container, and excludes names")
	case len(o.names) == 0 && !o.latest:
		return errors.New("burrow inspect needs a container, an image or a volume")
	}
	return nil
}
