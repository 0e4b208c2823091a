package idmap

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
)

// Caller is who runs the container: the IDs on the host, and the maps of the
// anchor that the container's maps are written from, which are needed always:
// the kernel refuses an extent that crosses a border of theirs.
type Caller struct {
	UID, GID               uint32
	AnchorUIDs, AnchorGIDs Map
}

// Maps computes uid_map and gid_map of a container. Their outer side are
// anchor IDs. s may be nil where the mode needs no slice.
func Maps(m Mode, s *Slice, c Caller) (uid, gid Map, err error) {
	if !m.OwnNamespace() {
		return nil, nil, fmt.Errorf("%w: %s", errNoOwn, m.Kind)
	}
	if m.NeedsSlice() && s == nil {
		return nil, nil, fmt.Errorf("bug: mode %s without a slice", m.Kind)
	}
	if uid, err = oneMap(m, m.UIDs, s, cmp.Or(m.UID, &c.UID), c.AnchorUIDs); err != nil {
		return nil, nil, fmt.Errorf("uid map: %w", err)
	}
	if gid, err = oneMap(m, m.GIDs, s, cmp.Or(m.GID, &c.GID), c.AnchorGIDs); err != nil {
		return nil, nil, fmt.Errorf("gid map: %w", err)
	}
	return uid, gid, nil
}

// oneMap is one of the two. keep is the container ID that stands for the user
// in mode keep-id.
func oneMap(m Mode, forced []Mapping, s *Slice, keep *uint32, anchor Map) (Map, error) {
	self := Extent{Container: 0, Host: 0, Count: 1}
	var out Map
	switch m.Kind {
	case Single:
		out = Map{self}
	case Explicit:
		return resolve(forced, anchor)
	case Unique:
		out = s.Map().with(self)
	case KeepID:
		self.Container = *keep
		out = s.Map().with(self)
	case Auto, NoMap:
		out = s.Map()
		for _, p := range forced {
			exts, err := p.inAnchor(anchor)
			if err != nil {
				return nil, err
			}
			for _, e := range exts {
				out = out.with(e)
			}
		}
	case Host, Container, Path:
		return nil, errNoOwn
	}
	return out.finish(anchor)
}

// finish makes a map one that the kernel takes from inside the anchor.
func (m Map) finish(anchor Map) (Map, error) {
	m, err := m.tidy().split(anchor)
	if err != nil {
		return nil, err
	}
	return m, m.Validate()
}

// Map is the slice alone: the block, and the IDs outside it.
func (s *Slice) Map() Map {
	m := Map{{Container: 0, Host: s.Block.Start, Count: s.Block.Count}}
	for _, c := range slices.Sorted(maps.Keys(s.Extras)) {
		m = append(m, Extent{Container: c, Host: s.Extras[c], Count: 1})
	}
	return m
}

// ShiftNeeded says whether a file that image ID id owns must be re-owned for a
// container with this map. Layers hold image ID X as anchor ID X; the
// container must see it as X, so it has to become anchor ID to. ok is false
// where the container has no ID X: the file stays and shows as nobody's.
func ShiftNeeded(m Map, id uint32) (to uint32, needed, ok bool) {
	to, ok = m.Host(id)
	return to, ok && to != id, ok
}

// ShiftKey names the re-owning that an image needs: two containers with equal
// keys can share a shift layer, and a layer with another key has wrong owners.
// uids and gids are the IDs that own files in the image; 0 counts always.
func ShiftKey(uid, gid Map, uids, gids []uint32) string {
	h := sha256.New()
	side := func(name string, m Map, ids []uint32) {
		ids = slices.Compact(slices.Sorted(slices.Values(append([]uint32{0}, ids...))))
		for _, id := range ids {
			if to, ok := m.Host(id); ok {
				fmt.Fprintf(h, "%s %d %d\n", name, id, to)
			}
		}
	}
	side("u", uid, uids)
	side("g", gid, gids)
	return hex.EncodeToString(h.Sum(nil)[:16])
}
