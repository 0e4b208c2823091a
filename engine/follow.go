package engine

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/sys"
)

// followIDs gives what a container has written to the sub-IDs that it has now.
// A container that starts again asks for its old slice first; if that is
// another's by now, its files would show as nobody's, and be that other's.
//
// It may be interrupted: the record names the old maps until all is done, and a
// file that has its new owner already is no old owner's.
func (r *run) followIDs(ctx context.Context) error {
	from := ownerMap{uids: r.record.UIDMap, gids: r.record.GIDMap}
	if len(from.uids) == 0 || slices.Equal(from.uids, r.uids) && slices.Equal(from.gids, r.gids) {
		return nil
	}
	entries, err := os.ReadDir(r.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		// Overlay's own directories hold nothing that lasts; runtime is made anew.
		if !e.IsDir() || strings.HasSuffix(e.Name(), "work") || e.Name() == filepath.Base(r.runtimePath()) {
			continue
		}
		if err := moveOwners(ctx, filepath.Join(r.dir, e.Name()), from, r.owners()); err != nil {
			return fmt.Errorf("re-own the container's files: %w", err)
		}
	}
	return nil
}

// moveOwners re-owns a tree from one container's maps to another's.
func moveOwners(ctx context.Context, tree string, from, to ownerMap) error {
	root, err := sys.OpenDir(tree)
	if err != nil {
		return err
	}
	defer root.Close()
	top, err := sys.StatBeneath(root, ".")
	if err != nil {
		return err
	}
	if err := moveOwner(root, ".", top, from, to); err != nil {
		return err
	}
	return sys.WalkDeep(root, func(at *os.File, name string, st *unix.Stat_t) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return moveOwner(at, name, st, from, to)
	})
}

func moveOwner(root *os.File, name string, st *unix.Stat_t, from, to ownerMap) error {
	r := sys.Renumber{
		UID: func(id uint32) uint32 { return moved(from.uids, to.uids, id) },
		GID: func(id uint32) uint32 { return moved(from.gids, to.gids, id) },
	}
	if kind := st.Mode & unix.S_IFMT; kind == unix.S_IFREG || kind == unix.S_IFDIR {
		if err := sys.RenumberACLs(root, name, r); err != nil {
			return err
		}
	}
	uid, gid := r.UID(st.Uid), r.GID(st.Gid)
	if uid == st.Uid && gid == st.Gid {
		return nil
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return sys.ChownBeneath(root, name, int(uid), int(gid))
	}
	return sys.ChownKeeping(root, name, int(uid), int(gid), st.Mode&0o7777, r)
}

// moved is the anchor ID for whoever had the anchor ID id under the old map.
func moved(from, to idmap.Map, id uint32) uint32 {
	inside, ok := from.Container(id)
	if !ok {
		return id
	}
	if now, ok := to.Host(inside); ok {
		return now
	}
	return id
}
