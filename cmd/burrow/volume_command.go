package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/engine/volume"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/format"
	"github.com/burrow-run/burrow/internal/hint"
)

func (a *app) volumeCommand() *cobra.Command {
	cmd := group("volume", "Manage volumes")
	cmd.AddCommand(a.volumeCreate(), a.volumeList(), a.volumeInspect(), a.volumeRemove(), a.volumePrune(),
		a.volumeExists(), a.volumeExport(), a.volumeImport(), a.volumeMount("mount"), a.volumeMount("unmount"))
	return cmd
}

// inAnchor is a command that needs no mount namespace of its own.
func (a *app) inAnchor(do func(cmd *cobra.Command, c caller, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, _, _, err := whoAmI()
		if err != nil {
			return err
		}
		if !c.inside {
			return enterAnchor(cmd.Context(), c, "")
		}
		return do(cmd, c, args)
	}
}

func (a *app) volumeCreate() *cobra.Command {
	var driver string
	var labels, options []string
	var ignore bool
	cmd := &cobra.Command{Use: "create [OPTIONS] [NAME]", Short: "Make a volume", Args: cobra.MaximumNArgs(1)}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name := volume.NewName()
		if len(args) > 0 {
			name = args[0]
			if err := spec.CheckName(name); err != nil {
				return fmt.Errorf("name %w", err)
			}
		}
		if driver != "local" {
			return hint.New(fmt.Errorf("--driver %q: there is only local", driver), "burrow volume create --help")
		}
		l, err := pairs("label", labels)
		if err != nil {
			return err
		}
		o, err := pairs("opt", options)
		if err != nil {
			return err
		}
		if _, err := volume.ParseOptions(o); err != nil {
			return err
		}
		return a.inAnchor(func(_ *cobra.Command, c caller, _ []string) error {
			err := engine.CreateVolume(c.dirs, name, l, o)
			if err != nil && (!ignore || !errors.Is(err, volume.ErrExists)) {
				return err
			}
			return printTo(a.out, name+"\n")
		})(cmd, args)
	}
	cmd.Flags().StringVarP(&driver, "driver", "d", "local", "volume `DRIVER`")
	cmd.Flags().StringArrayVarP(&labels, "label", "l", nil, "label, `KEY[=VALUE]`")
	cmd.Flags().StringArrayVarP(&options, "opt", "o", nil, "driver option, `KEY=VALUE`: type=tmpfs, o=size=64m, o=bind, device=/DIR, o=uid=1000")
	cmd.Flags().BoolVar(&ignore, "ignore", false, "a volume that exists is no error")
	return cmd
}

// pairs reads KEY[=VALUE].
func pairs(flag string, values []string) (map[string]string, error) {
	if len(values) == 0 {
		return nil, nil //nolint:nilnil // no map is an empty one
	}
	out := map[string]string{}
	for _, text := range values {
		key, value, _ := strings.Cut(text, "=")
		if key == "" {
			return nil, fmt.Errorf("--%s %q: has no key", flag, text)
		}
		if err := spec.CheckPlain(text); err != nil {
			return nil, fmt.Errorf("--%s %w", flag, err)
		}
		out[key] = value
	}
	return out, nil
}

// volumeRow is a volume as templates of ls see it.
type volumeRow struct {
	Name, Driver, Scope, Mountpoint string
	CreatedAt                       time.Time
	Labels, Options                 map[string]string
	Anonymous                       bool
	MountCount                      int // containers that have it
}

func rowOf(v engine.Volume) volumeRow {
	return volumeRow{
		Name: v.Name, Driver: "local", Scope: "local", Mountpoint: v.Mountpoint, CreatedAt: v.Created.Local(),
		Labels: orEmpty(v.Labels), Options: orEmpty(v.Options), Anonymous: v.Anonymous(), MountCount: len(v.Users),
	}
}

// orEmpty keeps null out of JSON, where Podman and Docker have an object.
func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func (a *app) volumeList() *cobra.Command {
	var filters []string
	var text string
	var quiet, noHeading bool
	cmd := &cobra.Command{Use: "ls [OPTIONS]", Aliases: []string{"list"}, Short: "List volumes", Args: exactly(0, "no arguments")}
	cmd.RunE = func(*cobra.Command, []string) error {
		filter, err := engine.NewVolumeFilter(filters)
		if err != nil {
			return err
		}
		if text == "" || text == "table" {
			text = "table {{.Driver}}\t{{.Name}}"
		}
		if quiet {
			text, noHeading = "{{.Name}}", true
		}
		c, _, _, err := whoAmI()
		if err != nil {
			return err
		}
		list, damaged, err := engine.Volumes(c.dirs)
		for _, e := range damaged {
			warn(a.err, e.Error())
		}
		if err != nil {
			return err
		}
		rows := []volumeRow{}
		for _, v := range list {
			if filter.Match(v) {
				rows = append(rows, rowOf(v))
			}
		}
		if text == "json" {
			return a.printJSON(rows)
		}
		t, err := format.New(text, "json", "table")
		if err != nil {
			return err
		}
		heads := t.Heads(map[string]string{"Name": "VOLUME NAME", "CreatedAt": "CREATED AT", "MountCount": "CONTAINERS"})
		if noHeading || len(rows) == 0 {
			heads = nil
		}
		return format.Print(t, a.out, rows, heads, 12)
	}
	cmd.Flags().StringArrayVarP(&filters, "filter", "f", nil, "only volumes of which `KEY=VALUE` holds")
	cmd.Flags().StringVar(&text, "format", "", "json, table, or a Go template")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "names only")
	cmd.Flags().BoolVarP(&noHeading, "noheading", "n", false, "no headings")
	return cmd
}

// volumeInspected has Podman's names, and ours for what only burrow has.
type volumeInspected struct {
	Name, Driver, Mountpoint string
	CreatedAt                time.Time
	Labels, Options          map[string]string
	Scope                    string
	Anonymous                bool
	NeedsCopyUp              bool     `json:",omitempty"`
	Slice                    string   `json:",omitempty"` // of sub-IDs, which owns the files
	UidMap, GidMap           []string //nolint:revive // Podman's names
	Containers               []string // that have it
}

func (a *app) volumeInspect() *cobra.Command {
	var template string
	var all bool
	cmd := &cobra.Command{Use: "inspect [OPTIONS] VOLUME [VOLUME...]", Short: "Show volumes as JSON"}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, _, _, err := whoAmI()
		if err != nil {
			return err
		}
		if args, err = namesOrAll(cmd, args, all, "a volume", func() ([]string, error) { return volumeNames(c) }); err != nil {
			return err
		}
		out := []volumeInspected{}
		for _, name := range args {
			v, err := engine.FindVolume(c.dirs, name)
			if err != nil {
				return err
			}
			out = append(out, inspectVolume(v))
		}
		if template == "" || template == "json" {
			return a.printJSON(out)
		}
		t, err := format.New(template, "json")
		if err != nil {
			return err
		}
		return format.Print(t, a.out, out, nil, 0)
	}
	cmd.Flags().StringVarP(&template, "format", "f", "", "json, or a Go template")
	cmd.Flags().BoolVarP(&all, "all", "a", false, "all volumes")
	return cmd
}

func inspectVolume(v engine.Volume) volumeInspected {
	out := volumeInspected{
		Name: v.Name, Driver: "local", Mountpoint: v.Mountpoint, CreatedAt: v.Created.Local(), Scope: "local",
		Labels: orEmpty(v.Labels), Options: orEmpty(v.Options), Anonymous: v.Anonymous(), NeedsCopyUp: !v.Filled,
		UidMap: mapLines(v.Owners.UIDs), GidMap: mapLines(v.Owners.GIDs), Containers: []string{},
	}
	if v.Slice != nil {
		out.Slice = v.Slice.String()
	}
	for _, u := range v.Users {
		out.Containers = append(out.Containers, u.Name)
	}
	return out
}

// mapLines are the extents of a map, CONTAINER:ANCHOR:COUNT.
func mapLines(m idmap.Map) []string {
	out := make([]string, 0, len(m))
	for _, e := range m {
		out = append(out, fmt.Sprintf("%d:%d:%d", e.Container, e.Host, e.Count))
	}
	return out
}
