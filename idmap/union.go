package idmap

import "slices"

// Union is a map that has what either has. ok is false if they contradict each
// other: a container ID that is two outer IDs, or the other way round.
func (m Map) Union(o Map) (_ Map, ok bool) {
	out := append(Map{}, m...)
	for _, e := range o {
		rest := []Extent{e}
		for _, have := range m {
			if !agree(have, e) {
				return nil, false
			}
			rest = cutAll(rest, have.inner(), Extent.inner)
		}
		out = append(out, rest...)
	}
	return out.tidy(), true
}

// agree says that two extents say the same of the IDs that both have.
func agree(a, b Extent) bool {
	if !a.inner().Overlaps(b.inner()) && !a.outer().Overlaps(b.outer()) {
		return true
	}
	return int64(a.Host)-int64(a.Container) == int64(b.Host)-int64(b.Container)
}

// Crosses says whether a move from m to o must not be done in one go: some ID
// of m that moves is one that another becomes. Done twice, it would move on.
func (m Map) Crosses(o Map) bool {
	var leaves, arrives []Range // outer IDs
	for _, e := range m {
		for _, to := range o {
			if !e.inner().Overlaps(to.inner()) || agree(e, to) {
				continue
			}
			first := max(e.Container, to.Container)
			count := uint32(min(e.inner().end(), to.inner().end()) - uint64(first))
			leaves = append(leaves, Range{e.Host + (first - e.Container), count})
			arrives = append(arrives, Range{to.Host + (first - to.Container), count})
		}
	}
	return slices.ContainsFunc(leaves, func(l Range) bool { return slices.ContainsFunc(arrives, l.Overlaps) })
}
