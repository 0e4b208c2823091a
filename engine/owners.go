package engine

import (
	"errors"
	"fmt"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/sys"
)

// ownerMap says which anchor ID a file of an image must get, that a container
// with these maps sees the owner which the image gave it.
type ownerMap struct {
	uids, gids idmap.Map // container ID to anchor ID
	anchorUIDs uint32    // how many IDs the anchor has
	anchorGIDs uint32
}

func (r *run) owners() ownerMap {
	return ownerMap{
		uids: r.uids, gids: r.gids,
		anchorUIDs: uint32(r.opts.UIDs.Size()), anchorGIDs: uint32(r.opts.GIDs.Size()),
	}
}

// of returns the anchor IDs for an owner of the image. An ID that the container
// does not have becomes one that shows as nobody's, never that of somebody else.
func (o ownerMap) of(uid, gid uint32) (u, g int, err error) {
	if u, err = toAnchor(o.uids, o.anchorUIDs, uid); err != nil {
		return 0, 0, fmt.Errorf("UID %d: %w", uid, err)
	}
	if g, err = toAnchor(o.gids, o.anchorGIDs, gid); err != nil {
		return 0, 0, fmt.Errorf("GID %d: %w", gid, err)
	}
	return u, g, nil
}

// renumber does so for the IDs that extended attributes name. Where there is no
// ID to take, the old one stays: it shows as nobody's or somebody's, and gives
// nothing to whom the file was not shared with.
func (o ownerMap) renumber() sys.Renumber {
	one := func(m idmap.Map, size uint32) func(uint32) uint32 {
		return func(id uint32) uint32 {
			if to, err := toAnchor(m, size, id); err == nil {
				return uint32(to)
			}
			return id
		}
	}
	return sys.Renumber{UID: one(o.uids, o.anchorUIDs), GID: one(o.gids, o.anchorGIDs)}
}

// stays says that the file is right as it lies in the image's layer, where the
// anchor's IDs are the image's.
func (o ownerMap) stays(uid, gid uint32) bool {
	u, g, err := o.of(uid, gid)
	return err == nil && u == int(uid) && g == int(gid)
}

func toAnchor(m idmap.Map, size, id uint32) (int, error) {
	if to, ok := m.Host(id); ok {
		return int(to), nil
	}
	// An image's ID is the anchor's of the same number: it may be one that stands
	// for somebody in the container.
	if _, taken := m.Container(id); !taken {
		return int(id), nil
	}
	for stranger := size; stranger > 1; stranger-- {
		if _, taken := m.Container(stranger - 1); !taken {
			return int(stranger - 1), nil
		}
	}
	return 0, errors.New("not mapped, and the container has every ID there is")
}
