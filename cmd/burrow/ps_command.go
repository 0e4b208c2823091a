package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/burrow-run/burrow/cmd/burrow/flags"
	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/internal/format"
)

type psFlags struct {
	all, quiet, noTrunc, latest, noHeading, size, ns, sync bool
	last                                                   int
	watch                                                  uint
	format, sort                                           string
	filters                                                []string
}

func (a *app) psCommand() *cobra.Command {
	var f psFlags
	cmd := &cobra.Command{
		Use: "ps [OPTIONS]", Short: "List containers", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			f.size = f.size || f.sort == "size" || strings.Contains(f.format, ".Size")
			show, err := f.printer(a)
			if err != nil {
				return err
			}
			if f.size && !c.inside { // what containers wrote is not all ours to look at
				return enterAnchor(cmd.Context(), c, "")
			}
			return a.repeat(cmd.Context(), f.watch, func() error {
				records, err := a.choose(c, f)
				if err != nil {
					return err
				}
				return show(c, records)
			})
		},
	}
	fl := cmd.Flags()
	fl.BoolVarP(&f.all, "all", "a", false, "also containers that do not run")
	fl.StringArrayVarP(&f.filters, "filter", "f", nil, "only containers of which `KEY=VALUE` holds: ancestor, before, exited, health, id, label, name, network, since, status, until, volume")
	fl.StringVar(&f.format, "format", "", "table, json, or a Go template")
	fl.IntVarP(&f.last, "last", "n", 0, "the `N` that were made last, in any state")
	fl.BoolVarP(&f.latest, "latest", "l", false, "the one that was made last, in any state")
	fl.BoolVar(&f.noTrunc, "no-trunc", false, "whole IDs and commands")
	fl.BoolVar(&f.noHeading, "noheading", false, "no headings")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "only IDs")
	fl.BoolVarP(&f.size, "size", "s", false, "how much containers have written, and with their image")
	fl.BoolVar(&f.ns, "ns", false, "the namespaces of each container")
	fl.BoolVar(&f.sync, "sync", false, "the state of this moment, as it always is")
	fl.UintVarP(&f.watch, "watch", "w", 0, "show it anew every `SECONDS`")
	fl.StringVar(&f.sort, "sort", "created", "order by `WHAT`: command, created, id, image, names, runningfor, size or status")
	refuse(cmd, flags.On("pod", "there are no pods yet", "").Short("p"),
		flags.On("external", "burrow's storage has no containers but its own", "burrow ps --all"))
	return cmd
}

// repeat shows something every few seconds until the user leaves; 0: once.
func (a *app) repeat(ctx context.Context, seconds uint, show func() error) error {
	for {
		if seconds > 0 && term.IsTerminal(int(a.out.Fd())) {
			fmt.Fprint(a.out, clearScreen)
		}
		if err := show(); err != nil || seconds == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Duration(min(seconds, 1<<31)) * time.Second):
		}
	}
}

const clearScreen = "\x1b[2J\x1b[H"

// choose lists what the flags ask for.
func (a *app) choose(c caller, f psFlags) ([]*engine.Record, error) {
	filter, err := engine.NewFilter(c.dirs, f.filters)
	if err != nil {
		return nil, err
	}
	records, damaged, err := engine.List(c.dirs)
	if err != nil {
		return nil, err
	}
	for _, d := range damaged {
		warn(a.err, "container "+d+": its record cannot be read; burrow rm -f "+d+" removes it")
	}
	all := f.all || f.latest || f.last > 0 || filter.Has("status") || filter.Has("exited")
	out := records[:0:0]
	for _, r := range records {
		if (all || r.Running() && !r.Waiting()) && filter.Match(*r) {
			out = append(out, r)
		}
	}
	if f.latest {
		f.last = 1
	}
	if f.last > 0 {
		out = out[:min(f.last, len(out))]
	}
	return out, nil
}

// printer checks --format and --sort before anything is read.
func (f psFlags) printer(a *app) (func(caller, []*engine.Record) error, error) {
	switch {
	case f.last < 0:
		return nil, errors.New("--last: less than nothing")
	case !slices.Contains([]string{"command", "created", "id", "image", "names", "runningfor", "size", "status"}, f.sort):
		return nil, fmt.Errorf("--sort %q: ps sorts by command, created, id, image, names, runningfor, size or status", f.sort)
	case f.quiet && f.format != "":
		return nil, errors.New("--quiet and --format exclude each other")
	case f.ns && (f.size || f.quiet || f.format != ""):
		return nil, errors.New("--ns excludes --size, --quiet and --format")
	}
	switch f.format {
	case "json":
		return func(c caller, records []*engine.Record) error {
			list, err := f.rows(c, records)
			if err != nil {
				return err
			}
			return a.printJSON(jsonRows(list))
		}, nil
	case "", "table":
		return func(c caller, records []*engine.Record) error {
			list, err := f.rows(c, records)
			if err != nil {
				return err
			}
			return a.printContainers(list, f)
		}, nil
	}
	t, err := format.New(f.format, "json", "table")
	if err != nil {
		return nil, err
	}
	return func(c caller, records []*engine.Record) error {
		list, err := f.rows(c, records)
		if err != nil {
			return err
		}
		heads := t.Heads(psHeads)
		if f.noHeading {
			heads = nil
		}
		return format.Print(t, a.out, list, heads, 0)
	}, nil
}

// psHeads are the headings that are not just the field's name.
var psHeads = map[string]string{ //nolint:gochecknoglobals // constant
	"ID": "CONTAINER ID", "CreatedAt": "CREATED AT", "RunningFor": "CREATED", "CreatedHuman": "CREATED",
	"ExitCode": "EXIT CODE", "ImageID": "IMAGE ID",
}

func (f psFlags) rows(c caller, records []*engine.Record) ([]psRow, error) {
	list := make([]psRow, 0, len(records))
	for _, r := range records {
		row, err := newPSRow(c, r, f)
		if err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	slices.SortStableFunc(list, func(a, b psRow) int {
		switch f.sort {
		case "command":
			return cmp.Compare(a.fullCommand, b.fullCommand)
		case "id":
			return cmp.Compare(a.rec.ID, b.rec.ID)
		case "image":
			return cmp.Compare(a.Image, b.Image)
		case "names":
			return cmp.Compare(a.Names, b.Names)
		case "runningfor":
			return a.rec.Started.Compare(b.rec.Started)
		case "size":
			return cmp.Compare(a.written, b.written)
		case "status":
			return cmp.Compare(a.State, b.State)
		}
		return 0 // newest first, as they are listed
	})
	return list, nil
}

func (a *app) printContainers(list []psRow, f psFlags) error {
	out := bufio.NewWriter(a.out) // the table is written cell by cell
	if f.quiet {
		for _, r := range list {
			fmt.Fprintln(out, r.ID)
		}
		return out.Flush()
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if f.ns {
		printNamespaces(w, list, !f.noHeading)
		return errors.Join(w.Flush(), out.Flush())
	}
	size := func(text string) string {
		if f.size {
			return "\t" + text
		}
		return ""
	}
	if !f.noHeading {
		fmt.Fprintf(w, "CONTAINER ID\tIMAGE\tCOMMAND\tCREATED\tSTATUS\tPORTS\tNAMES%s\n", size("SIZE"))
	}
	for _, r := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s%s\n",
			r.ID, oneLine(r.Image), r.Command, r.RunningFor, r.Status, r.Ports, r.Names, size(r.Size))
	}
	return errors.Join(w.Flush(), out.Flush())
}

// printNamespaces is Podman's table of them; a container that does not run has none.
func printNamespaces(w io.Writer, list []psRow, heads bool) {
	if heads {
		fmt.Fprintln(w, "CONTAINER ID\tNAMES\tPID\tCGROUPNS\tIPC\tMNT\tNET\tPIDNS\tUSERNS\tUTS")
	}
	for _, r := range list {
		n := r.namespaces()
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			r.ID, r.Names, r.Pid, n.Cgroup, n.IPC, n.Mnt, n.Net, n.PIDNS, n.User, n.UTS)
	}
}
