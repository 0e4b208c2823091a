package idmap

import (
	"errors"
	"fmt"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// Mapping is one --uidmap or --gidmap, in Podman's spelling
// [+ug]container:[@]from[:count].
type Mapping struct {
	Container, From, Count uint32
	OfHost                 bool // @: From is a host ID, not one of the anchor
	Extend                 bool // +: cuts the mappings before it; first, fills the rest
	UIDOnly, GIDOnly       bool // u, g: not copied to the other kind
}

// parseMapping reads one mapping.
func parseMapping(s string) (Mapping, error) {
	bad := func(why string) (Mapping, error) {
		return Mapping{}, fmt.Errorf("mapping %q: %s", s, why)
	}
	rest := strings.TrimLeft(s, "+ug")
	flags := s[:len(s)-len(rest)]
	p := Mapping{
		Extend: strings.Contains(flags, "+"), UIDOnly: strings.Contains(flags, "u"),
		GIDOnly: strings.Contains(flags, "g"), Count: 1,
	}
	f := strings.Split(rest, ":")
	if len(f) != 2 && len(f) != 3 {
		return bad("is not [+ug]container:[@]from[:count]")
	}
	from, ofHost := strings.CutPrefix(f[1], "@")
	p.OfHost = ofHost
	var err error
	if p.Container, err = parseID(f[0]); err != nil {
		return bad(err.Error())
	}
	if p.From, err = parseID(from); err != nil {
		return bad(err.Error())
	}
	if len(f) == 3 {
		if p.Count, err = parseID(f[2]); err != nil || p.Count == 0 {
			return bad("count must be at least 1")
		}
	}
	if (Range{p.Container, p.Count}).end() > noID || (Range{p.From, p.Count}).end() > noID {
		return bad("goes past the last ID")
	}
	return p, nil
}

// ExplicitMode is the mode that --uidmap and --gidmap ask for. As in Podman,
// a kind that has none is given those of the other, except where the flag u or
// g says that they are not for it.
func ExplicitMode(uidmaps, gidmaps []string) (Mode, error) {
	m := Mode{Kind: Explicit}
	read := func(option string, specs []string) (ps []Mapping, err error) {
		for _, s := range specs {
			p, err := parseMapping(s)
			if err != nil {
				return nil, fmt.Errorf("%w: %s: %w", ErrSyntax, option, err)
			}
			ps = append(ps, p)
		}
		if len(ps) > MaxExtents {
			return nil, fmt.Errorf("%w: %s: %d mappings, the kernel takes %d", ErrSyntax, option, len(ps), MaxExtents)
		}
		return ps, nil
	}
	uids, err := read("--uidmap", uidmaps)
	if err != nil {
		return Mode{}, err
	}
	gids, err := read("--gidmap", gidmaps)
	if err != nil {
		return Mode{}, err
	}
	if len(uids) == 0 && len(gids) == 0 {
		return Mode{}, fmt.Errorf("%w: no --uidmap and no --gidmap", ErrSyntax)
	}
	m.UIDs, m.GIDs = uids, gids
	if len(uids) == 0 {
		m.UIDs = gids
	}
	if len(gids) == 0 {
		m.GIDs = uids
	}
	m.UIDs = without(m.UIDs, func(p Mapping) bool { return p.GIDOnly && !p.UIDOnly })
	m.GIDs = without(m.GIDs, func(p Mapping) bool { return p.UIDOnly && !p.GIDOnly })
	return m, nil
}

func without(ps []Mapping, drop func(Mapping) bool) []Mapping {
	var out []Mapping
	for _, p := range ps {
		if !drop(p) {
			out = append(out, p)
		}
	}
	return out
}

// NamedMode is the mode that --subuidname and --subgidname ask for: container
// IDs from 0 on are the ranges, which the caller has looked up by name. Maps
// fails if they are not within the user's own sub-IDs.
func NamedMode(s SubIDs) Mode {
	seq := func(rs []Range) (ps []Mapping) {
		var next uint32
		for _, r := range rs {
			ps = append(ps, Mapping{Container: next, From: r.Start, Count: r.Count, OfHost: true})
			next += r.Count
		}
		return ps
	}
	return Mode{Kind: Explicit, UIDs: seq(s.UIDs), GIDs: seq(s.GIDs)}
}

// resolve turns mappings into a map to anchor IDs, as Podman does: in order,
// overlaps being errors unless the later one has the flag +. A list that is
// empty or begins with + is filled up from container ID 0 on with the anchor
// IDs that remain.
func resolve(ps []Mapping, anchor Map) (Map, error) {
	var m Map
	for _, p := range ps {
		exts, err := p.inAnchor(anchor)
		if err != nil {
			return nil, err
		}
		for _, e := range exts {
			if p.Extend {
				m = m.with(e)
				continue
			}
			m = append(m, e)
		}
	}
	if len(ps) == 0 || ps[0].Extend {
		m = m.fill(anchor)
	}
	return m.finish(anchor)
}

// inAnchor translates the outer side to anchor IDs. A host range may lie in
// several pieces there.
func (p Mapping) inAnchor(anchor Map) ([]Extent, error) {
	want := Range{p.From, p.Count}
	side := Extent.inner
	if p.OfHost {
		side = Extent.outer
	}
	var out []Extent
	var got uint64
	for _, a := range anchor {
		s := side(a)
		if !s.Overlaps(want) {
			continue
		}
		from := max(s.Start, want.Start)
		n := uint32(min(s.end(), want.end()) - uint64(from))
		inner := from
		if p.OfHost {
			inner = a.Container + (from - a.Host)
		}
		out = append(out, Extent{p.Container + (from - p.From), inner, n})
		got += uint64(n)
	}
	if got != uint64(p.Count) {
		kind := "of your namespace"
		if p.OfHost {
			kind = "of the host"
		}
		err := fmt.Errorf("%w: IDs %s %s are not yours to map", ErrMap, want, kind)
		return nil, hint.New(err, fmt.Sprintf("burrow unshare cat /proc/self/uid_map shows IDs 0 to %d", max(anchor.Size(), 1)-1))
	}
	return out, nil
}

// fill maps container IDs from 0 on, where m has none, to the anchor IDs that
// m does not use.
func (m Map) fill(anchor Map) Map {
	var free []Extent // of the anchor; only the outer side counts
	for _, a := range anchor {
		free = append(free, Extent{a.Container, a.Container, a.Count})
	}
	for _, used := range m {
		free = cutAll(free, used.outer(), Extent.outer)
	}
	taken := m.tidy()
	var next uint64
	for _, f := range free {
		for f.Count > 0 {
			room := uint64(noID)
			for _, t := range taken {
				if t.inner().Contains(uint32(next)) {
					next = t.inner().end()
				}
			}
			for _, t := range taken {
				if uint64(t.Container) >= next {
					room = uint64(t.Container)
					break
				}
			}
			n := uint32(min(uint64(f.Count), room-min(next, room)))
			if n == 0 {
				return m // container IDs are used up
			}
			m = append(m, Extent{uint32(next), f.Host, n})
			f.Host += n
			f.Count -= n
			next += uint64(n)
		}
	}
	return m
}

func cutAll(es []Extent, r Range, side func(Extent) Range) []Extent {
	var out []Extent
	for _, e := range es {
		out = append(out, e.cut(r, side)...)
	}
	return out
}

// errNoOwn is what Maps says of a mode that has no maps.
var errNoOwn = errors.New("bug: this mode has no ID maps of its own")
