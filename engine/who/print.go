package who

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/burrow-run/burrow/idmap"
)

// WriteTable writes the report for people.
func (r Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d sub-IDs, %d of %d slices free\n", r.User, r.Total, r.Free, r.Slices)
	for _, e := range r.UIDs {
		inside, outside := idmap.Range{Start: e.Container, Count: e.Count}, idmap.Range{Start: e.Host, Count: e.Count}
		fmt.Fprintf(&b, "host UIDs %s are %s in the anchor\n", outside, inside)
	}
	if len(r.Rows) > 0 {
		tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprint(tw, "\nHOLDER\tSTATE\tPID\tSLICE\tHOST UIDS\tHOST GIDS\n")
		for _, row := range r.Rows {
			pid := "-"
			if row.PID != 0 {
				pid = strconv.Itoa(row.PID)
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", row.label(), row.State, pid, row.Slice, join(row.UIDs), join(row.GIDs))
		}
		_ = tw.Flush() // to a strings.Builder, which takes all
	}
	if len(r.FreeUIDs) > 0 {
		fmt.Fprintf(&b, "\nfree host UIDs: %s\n", join(r.FreeUIDs))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r Row) label() string {
	if r.Name != "" {
		return r.Name
	}
	return shortID(r.ID)
}

// shortID is the beginning of a container ID, as tables show it.
func shortID(id string) string {
	if len(id) == 64 {
		return id[:12]
	}
	return id
}

func join(rs []idmap.Range) string {
	var out []string
	for _, r := range rs {
		out = append(out, r.String())
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, ",")
}

// WriteText writes the answer for people, one fact a line.
func (a Answer) WriteText(w io.Writer) error {
	var b strings.Builder
	line := func(key, format string, args ...any) {
		fmt.Fprintf(&b, "%-11s%s\n", key, fmt.Sprintf(format, args...))
	}
	if a.PID != 0 {
		line("process", "%d", a.PID)
	}
	if a.HostUID != nil {
		line("host UID", "%d", *a.HostUID)
	}
	if a.HostGID != nil {
		line("host GID", "%d", *a.HostGID)
	}
	if a.Evidence == Unknown {
		line("user", "unknown")
	} else {
		line("user", "%s, by %s", a.User, a.Evidence)
	}
	for _, in := range a.Inside {
		line("container", "%s", in.label())
		if in.UID != nil {
			line("inside UID", "%d", *in.UID)
		}
		if in.GID != nil {
			line("inside GID", "%d", *in.GID)
		}
	}
	if a.Note != "" {
		line("note", "%s", a.Note)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (in Inside) label() string {
	if in.Name != "" {
		return fmt.Sprintf("%s (%s)", in.Name, shortID(in.ID))
	}
	return shortID(in.ID)
}
