package posture

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/idmap"
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

// idMap is a process's map to IDs of the anchor.
func (o Observer) idMap(pid int, group bool) string {
	b, err := os.ReadFile(path(pid, mapFile(group)))
	if err != nil {
		return orWhy("", err)
	}
	m, err := idmap.ParseMap(bytes.NewReader(b))
	if err != nil {
		return err.Error()
	}
	// A map is shown as from above to who is in that namespace himself.
	above := o.Inside && o.namespace(pid, "user") == "anchor of host"
	for i, e := range m {
		anchor, ours := o.anchorID(int(e.Host), group)
		switch {
		case above:
			m[i].Host = e.Container
		case !ours:
			return fmt.Sprintf("%d:host %d:%d is not the user's", e.Container, e.Host, e.Count)
		default:
			m[i].Host = uint32(anchor)
		}
	}
	return MapText(m)
}

// MapText is a map as FROM:TO:COUNT, joined where both sides go on.
func MapText(m idmap.Map) string {
	joined := make(idmap.Map, 0, len(m))
	for _, e := range m {
		if n := len(joined); n > 0 && joined[n-1].Container+joined[n-1].Count == e.Container && joined[n-1].Host+joined[n-1].Count == e.Host {
			joined[n-1].Count += e.Count
			continue
		}
		joined = append(joined, e)
	}
	out := make([]string, 0, len(joined))
	for _, e := range joined {
		out = append(out, fmt.Sprintf("%d:%d:%d", e.Container, e.Host, e.Count))
	}
	return strings.Join(out, " ")
}

// loginUID is the caller's if that is set, or else the user's.
func (o Observer) loginUID(pid int) string {
	const unset = "4294967295"
	got, mine := read(pid, "loginuid"), read(o.self(), "loginuid")
	// No audit here, or a login has set it. In the anchor an ID that is not mapped, as
	// root's who became the user, reads as unset; Burrow has set its own before.
	if got == none || got == mine && (o.Inside || mine != unset) {
		return "user"
	}
	return o.names(pid, got, false)
}
