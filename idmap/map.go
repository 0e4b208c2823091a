package idmap

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MaxExtents is how many lines a uid_map may have since Linux 4.15.
const MaxExtents = 340

// maxMapBytes is the longest write that uid_map takes: less than one page,
// and a page is at least this long.
const maxMapBytes = 4095

// noID is (uid_t)-1, which is no user.
const noID = math.MaxUint32

// Range is Count IDs from Start on.
type Range struct {
	Start uint32 `json:"start"`
	Count uint32 `json:"count"`
}

// String is "first-last".
func (r Range) String() string {
	if r.Count == 1 {
		return strconv.FormatUint(uint64(r.Start), 10)
	}
	return fmt.Sprintf("%d-%d", r.Start, r.end()-1)
}

// Contains says whether id is in the range.
func (r Range) Contains(id uint32) bool { return id >= r.Start && uint64(id) < r.end() }

// Overlaps says whether the ranges have an ID in common.
func (r Range) Overlaps(o Range) bool {
	return uint64(r.Start) < o.end() && uint64(o.Start) < r.end()
}

// end is the first ID after the range; it does not fit in 32 bits for the last.
func (r Range) end() uint64 { return uint64(r.Start) + uint64(r.Count) }

// Extent is one line of uid_map: Count container IDs from Container on are
// Count IDs of the outer namespace from Host on.
type Extent struct {
	Container uint32 `json:"container"`
	Host      uint32 `json:"host"`
	Count     uint32 `json:"count"`
}

func (e Extent) inner() Range { return Range{e.Container, e.Count} }
func (e Extent) outer() Range { return Range{e.Host, e.Count} }

// Map is the content of a uid_map or gid_map.
type Map []Extent

// String is the map as /proc/PID/uid_map takes it.
func (m Map) String() string {
	var b strings.Builder
	for _, e := range m {
		fmt.Fprintf(&b, "%d %d %d\n", e.Container, e.Host, e.Count)
	}
	return b.String()
}

// Args is the map as newuidmap(1) takes it behind the process ID.
func (m Map) Args() []string { return strings.Fields(m.String()) }

// ParseMap reads what String writes and what /proc/PID/uid_map shows.
func ParseMap(r io.Reader) (Map, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxExtents*40))
	if err != nil {
		return nil, fmt.Errorf("read ID map: %w", err)
	}
	var m Map
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if len(f) != 3 {
			return nil, fmt.Errorf("%w: line %q", ErrMap, line)
		}
		var n [3]uint32
		for i := range f {
			v, err := strconv.ParseUint(f[i], 10, 32)
			if err != nil {
				return nil, fmt.Errorf("%w: line %q", ErrMap, line)
			}
			n[i] = uint32(v)
		}
		m = append(m, Extent{n[0], n[1], n[2]})
	}
	return m, nil
}

// Validate refuses what the kernel would refuse, saying why; the kernel says
// EINVAL only.
func (m Map) Validate() error {
	if len(m) > MaxExtents {
		return fmt.Errorf("%w: %d extents, the kernel takes %d", ErrMap, len(m), MaxExtents)
	}
	if n := len(m.String()); n > maxMapBytes {
		return fmt.Errorf("%w: %d bytes long, the kernel takes %d", ErrMap, n, maxMapBytes)
	}
	for i, e := range m {
		if e.Count == 0 {
			return fmt.Errorf("%w: %d:%d has no IDs", ErrMap, e.Container, e.Host)
		}
		if e.inner().end() > noID || e.outer().end() > noID {
			return fmt.Errorf("%w: %d:%d:%d goes past the last ID", ErrMap, e.Container, e.Host, e.Count)
		}
		for _, o := range m[:i] {
			if e.inner().Overlaps(o.inner()) {
				return fmt.Errorf("%w: container IDs %s and %s overlap", ErrMap, o.inner(), e.inner())
			}
			if e.outer().Overlaps(o.outer()) {
				return fmt.Errorf("%w: host IDs %s and %s overlap", ErrMap, o.outer(), e.outer())
			}
		}
	}
	return nil
}

// Host is the outer ID of a container ID, if it has one.
func (m Map) Host(id uint32) (uint32, bool) {
	for _, e := range m {
		if e.inner().Contains(id) {
			return e.Host + (id - e.Container), true
		}
	}
	return 0, false
}

// Container is the container ID of an outer ID, if it has one.
func (m Map) Container(id uint32) (uint32, bool) {
	for _, e := range m {
		if e.outer().Contains(id) {
			return e.Container + (id - e.Host), true
		}
	}
	return 0, false
}

// Size is the number of IDs in the map.
func (m Map) Size() uint64 {
	var n uint64
	for _, e := range m {
		n += uint64(e.Count)
	}
	return n
}

// with adds e. What m said of the same IDs, on either side, gives way: the
// extents are cut.
func (m Map) with(e Extent) Map {
	out := make(Map, 0, len(m)+3)
	for _, old := range m {
		for _, part := range old.cut(e.inner(), Extent.inner) {
			out = append(out, part.cut(e.outer(), Extent.outer)...)
		}
	}
	return append(out, e)
}

// cut is what remains of e when the IDs of r are taken from one of its sides.
func (e Extent) cut(r Range, side func(Extent) Range) []Extent {
	s := side(e)
	if !s.Overlaps(r) {
		return []Extent{e}
	}
	var out []Extent
	if s.Start < r.Start {
		out = append(out, Extent{e.Container, e.Host, r.Start - s.Start})
	}
	if s.end() > r.end() {
		n := uint32(s.end() - r.end())
		skip := e.Count - n
		out = append(out, Extent{e.Container + skip, e.Host + skip, n})
	}
	return out
}

// tidy sorts by container ID and joins neighbours, so that equal maps are
// written equally and take as few extents as they can.
func (m Map) tidy() Map {
	m = slices.Clone(m)
	slices.SortFunc(m, func(a, b Extent) int {
		return int(int64(a.Container) - int64(b.Container))
	})
	out := m[:0]
	for _, e := range m {
		if n := len(out); n > 0 {
			p := &out[n-1]
			if p.inner().end() == uint64(e.Container) && p.outer().end() == uint64(e.Host) {
				p.Count += e.Count
				continue
			}
		}
		out = append(out, e)
	}
	return out
}

// split cuts the extents where the outer namespace's own map has a border: an
// extent that crosses one is EPERM, even where the numbers go on. An ID that
// the outer namespace does not have is an error.
func (m Map) split(outer Map) (Map, error) {
	outer = slices.Clone(outer)
	slices.SortFunc(outer, func(a, b Extent) int { return int(int64(a.Container) - int64(b.Container)) })
	var out Map
	for _, e := range m {
		for _, o := range outer {
			if e.Count == 0 || !o.inner().Contains(e.Host) {
				continue
			}
			n := uint32(min(e.outer().end(), o.inner().end()) - uint64(e.Host))
			out = append(out, Extent{e.Container, e.Host, n})
			e = Extent{e.Container + n, e.Host + n, e.Count - n}
		}
		if e.Count > 0 {
			return nil, fmt.Errorf("%w: your namespace has no ID %d", ErrMap, e.Host)
		}
	}
	return out, nil
}
