package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/moby/sys/capability"
	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
)

// topCommand lists a container's processes from the host's /proc.
func (a *app) topCommand() *cobra.Command {
	var latest bool
	cmd := &cobra.Command{
		Use: "top [OPTIONS] CONTAINER [DESCRIPTOR...|PS-OPTION...]", Short: "List the processes of a container",
		Long: `List the processes of a container.

Descriptors choose the columns: ` + strings.Join(columnNames(), " ") + `.
The codes of ps's AIX format will do as well, such as %U. What is no descriptor
is an option of the host's ps, whose output must have a column PID.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, uids, gids, err := whoAmI()
			if err != nil {
				return err
			}
			if !c.inside { // other users' processes may be hidden outside
				return enterAnchor(cmd.Context(), c, "")
			}
			if latest {
				ids, err := latestOf(c)
				if err != nil {
					return err
				}
				args = append(ids, args...)
			}
			if len(args) == 0 {
				return hint.New(errors.New("burrow top needs a container, or --latest"), "burrow ps")
			}
			rec, err := engine.Lookup(c.dirs, args[0])
			if err != nil {
				return err
			}
			list, err := engine.Processes(rec)
			if err != nil {
				return err
			}
			return a.top(cmd.Context(), list, args[1:], topHost{uids, gids})
		},
	}
	cmd.Flags().SetInterspersed(false)
	cmd.Flags().BoolVarP(&latest, "latest", "l", false, "the container that was made last")
	return cmd
}

// topHost says what the anchor's IDs are on the host.
type topHost struct{ uids, gids idmap.Map }

type topColumn struct {
	name, code, head string
	value            func(engine.Process, topHost) string
}

func topColumns() []topColumn {
	p := func(f func(engine.Process) string) func(engine.Process, topHost) string {
		return func(p engine.Process, _ topHost) string { return f(p) }
	}
	caps := func(key string) func(engine.Process, topHost) string {
		return p(func(p engine.Process) string { return capabilityNames(p.Capabilities[key]) })
	}
	return []topColumn{
		{"args", "%a", "COMMAND", p(commandLine)},
		{"capbnd", "", "BOUNDING CAPS", caps("CapBnd")},
		{"capeff", "", "EFFECTIVE CAPS", caps("CapEff")},
		{"capinh", "", "INHERITED CAPS", caps("CapInh")},
		{"capprm", "", "PERMITTED CAPS", caps("CapPrm")},
		{"comm", "%c", "COMMAND", p(func(p engine.Process) string { return p.Command })},
		{"etime", "%t", "ELAPSED", p(func(p engine.Process) string { return p.Elapsed.String() })},
		{"group", "%G", "GROUP", p(func(p engine.Process) string { return p.Group })},
		{"hgroup", "", "HGROUP", func(p engine.Process, h topHost) string { return hostID(h.gids, p.HostGID) }},
		{"hpid", "", "HPID", p(func(p engine.Process) string { return strconv.Itoa(p.HostPID) })},
		{"huser", "", "HUSER", func(p engine.Process, h topHost) string { return hostID(h.uids, p.HostUID) }},
		{"label", "", "LABEL", p(func(p engine.Process) string { return orElse(p.Label, "?") })},
		{"nice", "%n", "NI", p(func(p engine.Process) string { return strconv.Itoa(p.Nice) })},
		{"pcpu", "%C", "%CPU", p(func(p engine.Process) string {
			return strconv.FormatFloat(100*float64(p.CPU)/float64(max(p.Elapsed, 1)), 'f', 3, 64)
		})},
		{"pgid", "%r", "PGID", p(func(p engine.Process) string { return strconv.Itoa(p.PGID) })},
		{"pid", "%p", "PID", p(func(p engine.Process) string { return strconv.Itoa(p.PID) })},
		{"ppid", "%P", "PPID", p(func(p engine.Process) string { return strconv.Itoa(p.PPID) })},
		{"rgroup", "%g", "RGROUP", p(func(p engine.Process) string { return p.RealGroup })},
		{"ruser", "%u", "RUSER", p(func(p engine.Process) string { return p.RealUser })},
		{"seccomp", "", "SECCOMP", p(func(p engine.Process) string { return p.Seccomp })},
		{"state", "", "STATE", p(func(p engine.Process) string { return p.State })},
		{"stime", "", "STIME", p(func(p engine.Process) string { return p.Started.Format("2006-01-02 15:04:05 -0700 MST") })},
		{"time", "%x", "TIME", p(func(p engine.Process) string { return p.CPU.Truncate(time.Second).String() })},
		{"tty", "%y", "TTY", p(func(p engine.Process) string { return p.TTY })},
		{"user", "%U", "USER", p(func(p engine.Process) string { return p.User })},
		{"vsz", "%z", "VSZ", p(func(p engine.Process) string { return strconv.FormatInt(p.VirtualSize>>10, 10) })},
	}
}

func columnNames() []string {
	var out []string
	for _, c := range topColumns() {
		out = append(out, c.name)
	}
	return out
}

// capabilityNames is Podman's form: without the prefix, or none, or full.
func capabilityNames(set uint64) string {
	var out []string
	last, err := capability.LastCap()
	if err != nil {
		return strconv.FormatUint(set, 16)
	}
	for c := capability.Cap(0); c <= last; c++ {
		if set&(1<<c) != 0 {
			out = append(out, strings.ToUpper(c.String()))
		}
	}
	switch len(out) {
	case 0:
		return "none"
	case int(last) + 1:
		return "full"
	}
	slices.Sort(out)
	return strings.Join(out, ",")
}

func commandLine(p engine.Process) string {
	if len(p.Args) == 0 {
		return "[" + p.Command + "]"
	}
	return strings.Join(p.Args, " ")
}

func hostID(m idmap.Map, id uint32) string {
	if host, ok := m.Host(id); ok {
		return strconv.FormatUint(uint64(host), 10)
	}
	return "?"
}

// top prints the columns that the descriptors name, or what the host's ps says.
func (a *app) top(ctx context.Context, list []engine.Process, args []string, host topHost) error {
	names := strings.FieldsFunc(strings.Join(args, ","), func(r rune) bool { return r == ',' || r == ' ' })
	if len(names) == 0 {
		names = []string{"user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args"}
	}
	var columns []topColumn
	for _, name := range names {
		i := slices.IndexFunc(topColumns(), func(c topColumn) bool {
			return strings.EqualFold(c.name, name) || c.code != "" && c.code == name
		})
		switch {
		case i >= 0:
			columns = append(columns, topColumns()[i])
		case len(columns) > 0:
			return hint.New(fmt.Errorf("%q is no descriptor of a process", name), "burrow top --help")
		default:
			return a.topByPS(ctx, list, args)
		}
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for i, c := range columns {
		fmt.Fprint(w, c.head, separator(i, len(columns)))
	}
	for _, p := range list {
		for i, c := range columns {
			fmt.Fprint(w, oneLine(c.value(p, host)), separator(i, len(columns)))
		}
	}
	return w.Flush()
}

func separator(i, n int) string {
	if i == n-1 {
		return "\n"
	}
	return "\t"
}

// topByPS runs ps on the host, as Docker does, and keeps the container's lines.
func (a *app) topByPS(ctx context.Context, list []engine.Process, args []string) error {
	out, err := exec.CommandContext(ctx, "ps", args...).Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		why, _, _ := strings.Cut(strings.TrimSpace(string(exit.Stderr)), "\n")
		return hint.New(fmt.Errorf("%s: neither descriptors nor options of ps: %s", strings.Join(args, " "), orElse(why, exit.Error())), "burrow top --help")
	case err != nil:
		return fmt.Errorf("run ps: %w", err)
	}
	mine := map[string]bool{}
	for _, p := range list {
		mine[strconv.Itoa(p.HostPID)] = true
	}
	// Not by a Scanner: some process on the host, anybody's, can have a line that is too long for it.
	head, rest, _ := strings.Cut(string(out), "\n")
	column := slices.Index(strings.Fields(head), "PID")
	if column < 0 {
		return hint.New(errors.New("the output of ps has no column PID"), "burrow top CONTAINER -o pid,args")
	}
	fmt.Fprintln(a.out, oneLine(head))
	for line := range strings.Lines(rest) {
		if f := strings.Fields(line); len(f) > column && mine[f[column]] {
			fmt.Fprintln(a.out, oneLine(line))
		}
	}
	return nil
}
