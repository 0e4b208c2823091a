package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/docker/go-units"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/internal/format"
)

type statsFlags struct {
	all, latest, noReset, noStream, noTrunc bool
	format                                  string
	interval                                int
}

func (a *app) statsCommand() *cobra.Command {
	var f statsFlags
	cmd := &cobra.Command{
		Use: "stats [OPTIONS] [CONTAINER...]", Short: "Show what containers use", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			if err := f.check(args); err != nil {
				return err
			}
			s, err := f.printer(a)
			if err != nil {
				return err
			}
			if !c.inside { // other users' processes may be hidden outside
				return enterAnchor(cmd.Context(), c, "")
			}
			if f.latest {
				if args, err = oneOrLatest(c, args, true); err != nil {
					return err
				}
			}
			return a.stats(cmd.Context(), c, args, f, s)
		},
	}
	fl := cmd.Flags()
	fl.BoolVarP(&f.all, "all", "a", false, "also containers that do not run")
	fl.StringVar(&f.format, "format", "", "table, json, or a Go template")
	fl.IntVarP(&f.interval, "interval", "i", 5, "`SECONDS` between two measurements")
	fl.BoolVarP(&f.latest, "latest", "l", false, "the container that was made last")
	fl.BoolVar(&f.noReset, "no-reset", false, "do not clear the screen")
	fl.BoolVar(&f.noStream, "no-stream", false, "measure once")
	fl.BoolVar(&f.noTrunc, "no-trunc", false, "whole IDs")
	return cmd
}

func (f statsFlags) check(args []string) error {
	switch {
	case f.interval < 1:
		return errors.New("--interval: less than a second")
	case f.all && f.latest, len(args) > 0 && (f.all || f.latest):
		return errors.New("--all, --latest and names exclude each other")
	}
	return nil
}

// stats measures until there is nothing to measure any more, or the user leaves.
func (a *app) stats(ctx context.Context, c caller, refs []string, f statsFlags, show func(io.Writer, []statsRow) error) error {
	earlier := map[string]engine.Stats{}
	warned := false
	for {
		records, err := statsOf(c, refs, f.all)
		if err != nil {
			return err
		}
		list := make([]statsRow, 0, len(records))
		for _, r := range records {
			s, err := engine.ReadStats(r)
			if err != nil {
				return err
			}
			if s.FromProc && !warned {
				warned = true
				warn(a.err, r.Name+" has no cgroup: the numbers are sums over its processes, without those that have ended")
			}
			list = append(list, newStatsRow(s, earlier[s.ID], r, f.noTrunc))
			earlier[s.ID] = s
		}
		out := bufio.NewWriter(a.out)
		if !f.noStream && !f.noReset && f.format == "" && term.IsTerminal(int(a.out.Fd())) {
			fmt.Fprint(out, clearScreen)
		}
		if err := errors.Join(show(out, list), out.Flush()); err != nil {
			return err
		}
		if f.noStream {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Duration(f.interval) * time.Second):
		}
	}
}

// statsOf are the containers to measure: those named, which must exist, or all.
func statsOf(c caller, refs []string, all bool) ([]engine.Record, error) {
	if len(refs) > 0 {
		return lookupAll(c, refs)
	}
	records, _, err := engine.List(c.dirs)
	var out []engine.Record
	for _, r := range records {
		if all || r.Running() {
			out = append(out, *r)
		}
	}
	return out, err
}

// printer checks --format before anything is measured.
func (f statsFlags) printer(a *app) (func(io.Writer, []statsRow) error, error) {
	switch f.format {
	case "json":
		return func(_ io.Writer, list []statsRow) error {
			out := make([]statsJSON, 0, len(list))
			for _, r := range list {
				out = append(out, r.json())
			}
			return a.printJSON(out)
		}, nil
	case "", "table":
		return printStats, nil
	}
	t, err := format.New(f.format, "json", "table")
	if err != nil {
		return nil, err
	}
	return func(w io.Writer, list []statsRow) error {
		return format.Print(t, w, list, t.Heads(statsHeads), 0)
	}, nil
}

func printStats(w io.Writer, list []statsRow) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "ID\tNAME\tCPU %\tMEM USAGE / LIMIT\tMEM %\tNET IO\tBLOCK IO\tPIDS\tCPU TIME\tAVG CPU %")
	for _, r := range list {
		fmt.Fprintf(tab, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			r.ID, r.Name, r.CPUPerc, r.MemUsage, r.MemPerc, r.NetIO, r.BlockIO, r.PIDS, r.UpTime, r.AVGCPU)
	}
	return tab.Flush()
}

var statsHeads = map[string]string{ //nolint:gochecknoglobals // constant
	"CPUPerc": "CPU %", "MemUsage": "MEM USAGE / LIMIT", "MemUsageBytes": "MEM USAGE / LIMIT", "MemPerc": "MEM %",
	"NetIO": "NET IO", "BlockIO": "BLOCK IO", "UpTime": "CPU TIME", "Up": "CPU TIME", "AVGCPU": "AVG CPU %",
}

// statsRow is a measurement as a template sees it: Podman's names, and Docker's
// Container.
type statsRow struct {
	ID, ContainerID, Container, Name                  string
	CPUPerc, AVGCPU, MemUsage, MemUsageBytes, MemPerc string
	NetIO, BlockIO, PIDS, PIDs, UpTime, Up            string
	CPU, AvgCPU                                       float64
	CPUNano, CPUSystemNano, SystemNano, Duration      int64
	MemLimit, NetInput, NetOutput                     int64
	BlockInput, BlockOutput                           int64
	PerCPU                                            []uint64
	ContainerStats                                    engine.Stats
}

const none = "--"

func newStatsRow(s, earlier engine.Stats, r engine.Record, whole bool) statsRow {
	row := statsRow{
		ID: s.ID, ContainerID: s.ID, Container: s.Name, Name: s.Name, ContainerStats: s,
		CPUPerc: none, AVGCPU: none, MemPerc: none, UpTime: none, Up: none, PIDS: none, PIDs: none,
		CPUNano: int64(s.CPU), Duration: int64(s.CPU), CPUSystemNano: int64(s.SystemCPU), SystemNano: s.At.UnixNano(),
		MemLimit: s.MemoryLimit, NetInput: s.NetIn, NetOutput: s.NetOut, BlockInput: s.BlockIn, BlockOutput: s.BlockOut,
	}
	if !whole {
		row.ID = s.ID[:min(12, len(s.ID))]
	}
	row.MemUsage, row.MemUsageBytes = pair(s.Memory, s.MemoryLimit, decimal), pair(s.Memory, s.MemoryLimit, binary)
	row.NetIO, row.BlockIO = pair(s.NetIn, s.NetOut, decimal), pair(s.BlockIn, s.BlockOut, decimal)
	if !s.Running {
		row.MemUsage, row.MemUsageBytes = none+" / "+none, none+" / "+none
		return row
	}
	if s.PIDs >= 0 {
		row.PIDS = strconv.FormatInt(s.PIDs, 10)
		row.PIDs = row.PIDS
	}
	if s.Memory >= 0 && s.MemoryLimit > 0 {
		row.MemPerc = percent(float64(s.Memory) / float64(s.MemoryLimit))
	}
	if s.CPU < 0 {
		return row
	}
	row.UpTime = s.CPU.Round(time.Microsecond).String()
	row.Up = row.UpTime
	from := r.Started // without an earlier measurement: since the start
	if !earlier.At.IsZero() {
		from = earlier.At
	} else {
		earlier.CPU = 0
	}
	row.CPU = share(s.CPU-earlier.CPU, s.At.Sub(from))
	row.AvgCPU = share(s.CPU, s.Up)
	row.CPUPerc, row.AVGCPU = percent(row.CPU/100), percent(row.AvgCPU/100)
	return row
}

// share is a part of the time in percent of one processor.
func share(used, of time.Duration) float64 {
	if of <= 0 || used < 0 {
		return 0
	}
	return 100 * float64(used) / float64(of)
}

func percent(part float64) string { return strconv.FormatFloat(100*part, 'f', 2, 64) + "%" }

func decimal(n int64) string { return units.HumanSize(float64(n)) }

func binary(n int64) string { return units.BytesSize(float64(n)) }

func pair(a, b int64, size func(int64) string) string {
	text := func(n int64) string {
		if n < 0 {
			return none
		}
		return size(n)
	}
	return text(a) + " / " + text(b)
}

// statsJSON has the names that Podman prints.
type statsJSON struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	CPUTime    string `json:"cpu_time"`
	CPUPercent string `json:"cpu_percent"`
	AvgCPU     string `json:"avg_cpu"`
	MemUsage   string `json:"mem_usage"`
	MemPercent string `json:"mem_percent"`
	NetIO      string `json:"net_io"`
	BlockIO    string `json:"block_io"`
	PIDs       string `json:"pids"`
}

func (r statsRow) json() statsJSON {
	return statsJSON{
		ID: r.ID, Name: r.Name, CPUTime: r.UpTime, CPUPercent: r.CPUPerc, AvgCPU: r.AVGCPU,
		MemUsage: r.MemUsage, MemPercent: r.MemPerc, NetIO: r.NetIO, BlockIO: r.BlockIO, PIDs: r.PIDS,
	}
}
