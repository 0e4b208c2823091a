package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/engine/volume"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// lockVolumes keeps others from giving the container's volumes to their own IDs
// until holdVolumes has given them to this one's.
func (r *run) lockVolumes(ctx context.Context) error {
	s := volumeStore(r.opts.Dirs)
	for _, name := range r.volumeNames() {
		lock, err := s.Lock(ctx, name)
		if err != nil {
			return missingVolume(fmt.Errorf("volume %w", err), name)
		}
		r.locks = append(r.locks, lock)
		r.later(func() { lock.Close() })
	}
	return nil
}

// holdVolumes makes the volumes' files belong to this container's IDs and keeps
// it so while it runs. Usually there is nothing to do: the container has taken
// the slice of its volumes.
func (r *run) holdVolumes(ctx context.Context) error {
	for _, name := range r.volumeNames() {
		if err := r.holdVolume(ctx, name); err != nil {
			return missingVolume(fmt.Errorf("volume %w", err), name)
		}
	}
	for _, lock := range r.locks {
		lock.Close()
	}
	r.locks = nil
	return nil
}

// holdVolume does so for one, which is locked.
func (r *run) holdVolume(ctx context.Context, name string) error {
	s := volumeStore(r.opts.Dirs)
	v, err := s.Get(name)
	if err != nil {
		return err
	}
	kind, err := v.Mount()
	if err != nil {
		return err
	}
	switch kind.Type {
	case volume.Bind:
		return nil // whose files they are is the user's matter
	case volume.Tmpfs:
		return r.holdTmpfs(s, name)
	case volume.Directory:
	}
	mine := volume.Owners{UIDs: r.uids, GIDs: r.gids}
	both, ok := v.Owners.Join(mine)
	if v.Moving != nil || !ok {
		if err := r.moveVolume(ctx, s, &v, mine); err != nil {
			return err
		}
		both = v.Owners
	}
	use, err := s.Use(name, false)
	if err != nil {
		return err
	}
	r.keep(use)
	return r.claimVolume(s, v, both)
}

// holdTmpfs: each container has a mount namespace of its own, so what is in
// memory cannot be in two of them.
func (r *run) holdTmpfs(s volume.Store, name string) error {
	use, err := s.Use(name, true)
	if errors.Is(err, volume.ErrInUse) {
		return fmt.Errorf("%w: a tmpfs cannot be shared between containers", err)
	}
	if err != nil {
		return err
	}
	r.keep(use)
	return nil
}

// claimVolume notes whose the files are, where that is news.
func (r *run) claimVolume(s volume.Store, v volume.Volume, owners volume.Owners) error {
	before := v
	v.Owners = owners
	v.Slice = nil
	if r.slice != nil && r.slice.Ref.Size > 0 {
		v.Slice = &r.slice.Ref
	}
	same := before.Slice == v.Slice || before.Slice != nil && v.Slice != nil && *before.Slice == *v.Slice
	if !v.Anonymous() && v.Slice != nil {
		// The claim comes first: one without a volume can be given up, files whose IDs
		// are another's cannot be taken back. It may be there: or the ledger was lost.
		if err := r.slice.Keep(v.Owner()); err != nil {
			return err
		}
	}
	if before.Owners.Equal(v.Owners) && same {
		return nil
	}
	if err := s.Save(v); err != nil || same {
		return err
	}
	return giveUp(r.opts.Dirs, before)
}

// moveVolume re-owns the files of a volume that nobody uses. It may be
// interrupted at any moment: the record says from where and to where, and the
// IDs of the two have nothing in common, so that it can be done again.
func (r *run) moveVolume(ctx context.Context, s volume.Store, v *volume.Volume, to volume.Owners) error {
	if err := r.nobodyUses(s, v.Name); err != nil {
		return err
	}
	if v.Moving != nil {
		if err := r.finishMove(ctx, s, v); err != nil {
			return err
		}
	}
	both, ok := v.Owners.Join(to)
	if ok {
		v.Owners = both
		return nil
	}
	if err := r.hasOwners(ctx, s, *v, to); err != nil {
		return err
	}
	r.warn("volume %s: its files are given to the IDs of this container", v.Name)
	if v.Owners.UIDs.Crosses(to.UIDs) || v.Owners.GIDs.Crosses(to.GIDs) {
		if err := r.detour(ctx, s, v, to); err != nil {
			return err
		}
	}
	v.Moving = &to
	if err := s.Save(*v); err != nil {
		return err
	}
	return r.finishMove(ctx, s, v)
}

// hasOwners refuses to move files to a container that lacks their owner: whose
// they were, nobody would know afterwards.
func (r *run) hasOwners(ctx context.Context, s volume.Store, v volume.Volume, to volume.Owners) error {
	root, err := sys.OpenDir(s.Data(v.Name))
	if err != nil {
		return err
	}
	defer root.Close()
	return sys.WalkDeep(root, func(at *os.File, name string, st *unix.Stat_t) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, o := range []struct {
			kind     string
			from, to idmap.Map
			id       uint32
		}{{"UID", v.Owners.UIDs, to.UIDs, st.Uid}, {"GID", v.Owners.GIDs, to.GIDs, st.Gid}} {
			inside, known := o.from.Container(o.id)
			if _, has := o.to.Host(inside); known && !has {
				return hint.New(fmt.Errorf("%s: %s belongs to %s %d, which this container does not have", v.Name, spec.Quote(strings.TrimPrefix(filepath.Join(at.Name(), name), root.Name()+"/")), o.kind, inside),
					fmt.Sprintf("--userns=auto:size=%d", inside+1))
			}
		}
		return nil
	})
}

func (r *run) finishMove(ctx context.Context, s volume.Store, v *volume.Volume) error {
	from, to := r.owners(), r.owners()
	from.uids, from.gids = v.Owners.UIDs, v.Owners.GIDs
	to.uids, to.gids = v.Moving.UIDs, v.Moving.GIDs
	if err := moveOwners(ctx, s.Data(v.Name), from, to); err != nil {
		return fmt.Errorf("%s: re-own its files: %w", v.Name, err)
	}
	v.Owners, v.Moving = *v.Moving, nil
	return s.Save(*v)
}

// detour moves the files to IDs that neither the old nor the new owners have.
func (r *run) detour(ctx context.Context, s volume.Store, v *volume.Volume, to volume.Owners) error {
	ledger, err := r.ledger()
	if err != nil {
		return err
	}
	need := idmap.Need{Container: r.id + " moving " + v.Name}
	for _, e := range slices.Concat(v.Owners.UIDs, v.Owners.GIDs) {
		if e.Count > 1 {
			need.Size = max(need.Size, e.Container+e.Count)
			continue
		}
		need.UIDs = append(need.UIDs, e.Container)
	}
	var way idmap.Map
	for range 8 { // those that the files have now may be free, and then be offered
		slice, err := ledger.Take(ctx, need)
		if err != nil {
			return fmt.Errorf("%s: re-own its files by way of free IDs: %w", v.Name, err)
		}
		defer func() { _ = slice.Release() }()
		m := slice.Map()
		if !v.Owners.UIDs.Crosses(m) && !v.Owners.GIDs.Crosses(m) && !m.Crosses(to.UIDs) && !m.Crosses(to.GIDs) {
			way = m
			break
		}
	}
	if way == nil {
		return fmt.Errorf("%s: re-own its files: %w", v.Name, idmap.ErrExhausted)
	}
	v.Moving = &volume.Owners{UIDs: way, GIDs: way}
	if err := s.Save(*v); err != nil {
		return err
	}
	return r.finishMove(ctx, s, v)
}

// nobodyUses refuses to touch the owners of files that another container sees.
func (r *run) nobodyUses(s volume.Store, name string) error {
	running, err := runningUsers(r.opts.Dirs, r.id)
	if err != nil {
		return err
	}
	if users := running[name]; len(users) > 0 {
		user := users[0].Name
		return hint.New(fmt.Errorf("%s: %w by %s, which has other IDs: both would see wrong owners", name, volume.ErrInUse, user),
			"burrow stop "+user+"; or --userns=container:"+user)
	}
	use, err := s.Use(name, true)
	if errors.Is(err, volume.ErrInUse) {
		return fmt.Errorf("%w by a container with other IDs, which is just starting or ending", err)
	}
	if err != nil {
		return err
	}
	return use.Close()
}
