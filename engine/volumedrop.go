package engine

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/engine/volume"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/paths"
)

// DropVolumes deletes the volumes that were made for a container and that no
// other one has.
func DropVolumes(d paths.Dirs, rec Record) error {
	return dropVolumes(d, rec, func(volume.Volume) bool { return true })
}

// dropTemporary is DropVolumes for those that must not outlive the container.
func dropTemporary(d paths.Dirs, rec Record) error {
	return dropVolumes(d, rec, func(v volume.Volume) bool { return v.Remove })
}

func dropVolumes(d paths.Dirs, rec Record, want func(volume.Volume) bool) error {
	s := volumeStore(d)
	var errs []error
	for _, m := range rec.Spec.Mounts {
		if m.Type != spec.MountVolume {
			continue
		}
		v, err := s.Get(m.Source)
		if err != nil || !v.Anonymous() || !want(v) {
			continue
		}
		if others, err := othersHave(d, v, rec.ID); others || err != nil {
			errs = append(errs, err)
			continue
		}
		if err := dropVolume(d, s, v.Name); !errors.Is(err, volume.ErrInUse) && !errors.Is(err, volume.ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// othersHave says whether a container but the one called self has the volume. Only
// of a shared one all have to be asked.
func othersHave(d paths.Dirs, v volume.Volume, self string) (bool, error) {
	if !v.Shared {
		return false, nil
	}
	users, err := VolumeUsers(d)
	return slices.ContainsFunc(users[v.Name], func(u Record) bool { return u.ID != self }), err
}

// dropVolume deletes an anonymous volume: it keeps no slice.
func dropVolume(d paths.Dirs, s volume.Store, name string) error {
	lock, err := s.LockSoon(name)
	if err != nil {
		return err
	}
	defer lock.Close()
	return removeLocked(d, s, name)
}

// reclaimVolumes removes those of containers that were to leave nothing or never
// came to be, and whose run was killed, and what was half made or half removed.
func reclaimVolumes(d paths.Dirs) {
	s := volumeStore(d)
	s.Reclaim()
	reclaimKept(d, s)
	names, err := s.Names()
	if err != nil {
		return
	}
	for _, name := range names {
		if len(name) != 64 {
			continue // somebody has named it
		}
		v, err := s.Get(name)
		if err != nil || !v.Anonymous() || !v.Remove && v.Filled {
			continue
		}
		if _, err := os.Lstat(filepath.Join(d.Containers(), v.Container)); errors.Is(err, os.ErrNotExist) {
			_ = dropVolumes(d, Record{Spec: spec.Spec{Mounts: []spec.Mount{{Type: spec.MountVolume, Source: name}}}},
				func(volume.Volume) bool { return true })
		}
	}
}

// maxSubIDs is more than anybody has: which IDs are whose does not matter here.
const maxSubIDs = 1 << 24

// reclaimKept gives back the slices that are kept for volumes which are gone or
// have another one by now: whoever was to give them back was killed.
func reclaimKept(d paths.Dirs, s volume.Store) {
	if _, err := os.Lstat(d.Ledger()); err != nil {
		return // opening would make it
	}
	ledger, err := idmap.OpenLedger(d.Ledger(), maxSubIDs, idmap.LedgerOptions{})
	if err != nil {
		return
	}
	list, err := ledger.List()
	if err != nil {
		return
	}
	for _, h := range list {
		name, ok := strings.CutPrefix(h.Kept, volume.Volume{}.Owner())
		if !ok {
			continue
		}
		lock, err := s.LockSoon(name)
		if err != nil && !errors.Is(err, volume.ErrNotFound) {
			continue
		}
		v, getErr := s.Get(name)
		if errors.Is(getErr, volume.ErrNotFound) || getErr == nil && (v.Slice == nil || *v.Slice != h.Slice) {
			_ = ledger.Unkeep(h.Slice, h.Kept)
		}
		if lock != nil {
			lock.Close()
		}
	}
}
