package posture

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// FromMap translates by a namespace's map: IDs as this process sees them into
// those of the namespace, which are the anchor's if pid is the anchor.
func FromMap(pid int) func(id int, group bool) (int, bool) {
	return func(id int, group bool) (int, bool) { return inside(pid, id, group) }
}

func mapFile(group bool) string {
	if group {
		return "gid_map"
	}
	return "uid_map"
}

// inside translates an ID of this process's namespace with a process's map.
func inside(pid, id int, group bool) (int, bool) {
	b, _ := os.ReadFile(path(pid, mapFile(group)))
	for line := range strings.Lines(string(b)) {
		var to, from, count int
		if _, err := fmt.Sscan(line, &to, &from, &count); err == nil && id >= from && id < from+count {
			return to + id - from, true
		}
	}
	return 0, false
}

// anchorID is what an ID is in the anchor.
func (o Observer) anchorID(id int, group bool) (int, bool) {
	if o.IDs == nil {
		return id, true
	}
	return o.IDs(id, group)
}

// names turns IDs into whose they are, those of a slice with what they are in the
// process's own namespace. Process 0 stands for none: then they are numbers.
func (o Observer) names(pid int, ids string, group bool) string {
	var out []string
	for id := range strings.FieldsSeq(ids) {
		n, err := strconv.Atoi(id)
		if err != nil {
			return ids
		}
		in, mapped := inside(pid, n, group)
		switch anchor, ours := o.anchorID(n, group); {
		case ours && anchor == 0:
			out = append(out, "user")
		case ours && mapped && pid != 0:
			out = append(out, fmt.Sprint("slice ", in))
		default:
			out = append(out, id)
		}
	}
	return strings.Join(slices.Compact(out), ", ") // four that are equal are one
}

// idMap is a process's map as FROM:TO:COUNT, TO being an ID of the anchor.
func (o Observer) idMap(pid int, group bool) string {
	b, err := os.ReadFile(path(pid, mapFile(group)))
	if err != nil {
		return orWhy("", err)
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		var from, to, count int
		if _, err := fmt.Sscan(line, &from, &to, &count); err != nil {
			return err.Error()
		}
		anchor, ours := o.anchorID(to, group)
		if !ours {
			out = append(out, fmt.Sprintf("%d:host %d:%d", from, to, count))
			continue
		}
		out = append(out, fmt.Sprintf("%d:%d:%d", from, anchor, count))
	}
	return strings.Join(out, " ")
}

// loginUID is the caller's if that is set, or else the user's.
func (o Observer) loginUID(pid int) string {
	const unset = "4294967295"
	got, mine := read(pid, "loginuid"), read(o.self(), "loginuid")
	if got == none || got == mine && mine != unset {
		return "user" // no audit here, or a login has set it
	}
	return o.names(pid, got, false)
}
