package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/engine/volume"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

func volumeStore(d paths.Dirs) volume.Store { return volume.Store{Dir: d.Volumes()} }

// findVolumes completes the container's mounts with those of other containers
// and of the image.
func (r *run) findVolumes(ctx context.Context) error {
	if err := r.volumesFrom(ctx); err != nil {
		return err
	}
	image, err := r.imageVolumes()
	if err != nil {
		return err
	}
	if r.spec.Root.ImageVolumes == spec.ImageVolumesAnonymous {
		for _, dest := range image {
			if !r.declares(dest) {
				r.spec.Mounts = append(r.spec.Mounts, spec.AnonymousVolume(dest))
			}
		}
	}
	for _, m := range r.spec.Mounts {
		if m.Type == spec.MountVolume && m.Source != "" {
			if err := sameOptions(volumeStore(r.opts.Dirs), m.Source, m.VolumeOptions); err != nil {
				return fmt.Errorf("mount %s: %w", m.Dest, err)
			}
		}
	}
	return nil
}

// makeVolumes makes the volumes that are missing. What was made for this
// container alone goes if it does not come to be.
func (r *run) makeVolumes(context.Context) error {
	r.laterUnlessKept(func() {
		_ = dropVolumes(r.opts.Dirs, Record{ID: r.id, Spec: r.spec},
			func(v volume.Volume) bool { return v.Container == r.id })
	})
	for i := range r.spec.Mounts {
		if m := &r.spec.Mounts[i]; m.Type == spec.MountVolume {
			if err := r.makeVolume(m); err != nil {
				return fmt.Errorf("mount %s: %w", m.Dest, err)
			}
		}
	}
	return nil
}

func (r *run) makeVolume(m *spec.Mount) error {
	s := volumeStore(r.opts.Dirs)
	v := volume.Volume{Name: m.Source, Labels: m.VolumeLabels, Options: m.VolumeOptions}
	if m.Source == "" {
		v.Name, v.Container, v.Remove = volume.NewName(), r.id, r.spec.Remove
	}
	err := s.Create(v)
	if errors.Is(err, volume.ErrExists) {
		return sameOptions(s, v.Name, v.Options) // made since we looked
	}
	if err != nil {
		return err
	}
	noteVolume(r.opts.Dirs, v.Name, audit.Create)
	m.Source = v.Name
	return nil
}

// sameOptions refuses options for a volume that was made with others.
func sameOptions(s volume.Store, name string, options map[string]string) error {
	if len(options) == 0 {
		return nil
	}
	have, err := s.Get(name)
	if errors.Is(err, volume.ErrNotFound) {
		return nil
	}
	if err == nil && !maps.Equal(have.Options, options) {
		err = hint.New(fmt.Errorf("%s: %w with other options", name, volume.ErrExists), "burrow volume inspect "+name)
	}
	return err
}

// volumesFrom adds the volumes and binds of the containers that --volumes-from
// names, where this container has nothing of its own.
func (r *run) volumesFrom(ctx context.Context) error {
	for _, from := range r.spec.VolumesFrom {
		rec, err := Lookup(r.opts.Dirs, from.Container)
		if err != nil {
			return fmt.Errorf("--volumes-from: %w", err)
		}
		for _, m := range rec.Spec.Mounts {
			if m.Type != spec.MountVolume && m.Type != spec.MountBind || r.declares(m.Dest) {
				continue
			}
			m.ReadOnly = m.ReadOnly || from.ReadOnly
			if from.Relabel {
				m.Relabel = spec.RelabelShared
			}
			if m.Type == spec.MountVolume {
				if err := share(ctx, volumeStore(r.opts.Dirs), m.Source); err != nil {
					return fmt.Errorf("--volumes-from: %w", err)
				}
			}
			r.spec.Mounts = append(r.spec.Mounts, m)
		}
	}
	r.spec.VolumesFrom = nil // they are mounts now, whatever becomes of the others
	return nil
}

// share notes of an anonymous volume that it is not one container's any more.
func share(ctx context.Context, s volume.Store, name string) error {
	lock, err := s.Lock(ctx, name)
	if err != nil {
		return err
	}
	defer lock.Close()
	v, err := s.Get(name)
	if err != nil || !v.Anonymous() || v.Shared {
		return err
	}
	v.Shared = true
	return s.Save(v)
}

// volumeNames are the container's volumes, each once.
func (r *run) volumeNames() []string {
	var names []string
	for _, m := range r.spec.Mounts {
		if m.Type == spec.MountVolume && m.Source != "" {
			names = append(names, m.Source)
		}
	}
	slices.Sort(names) // whoever locks several locks them in this order
	return slices.Compact(names)
}

// volumeSlice is the slice that the container's volumes belong to, nil if they
// belong to none. Of several, one that somebody is using decides. peers are the
// containers that use a volume which does not keep its slice.
func (r *run) volumeSlice() (_ *idmap.SliceRef, peers []string, err error) {
	s := volumeStore(r.opts.Dirs)
	var owned []volume.Volume
	simple := true // one slice, which is kept
	for _, name := range r.volumeNames() {
		v, err := s.Get(name)
		if err != nil {
			return nil, nil, missingVolume(err, name)
		}
		if v.Slice != nil && r.mode.Size <= v.Slice.Size {
			owned = append(owned, v)
			simple = simple && !v.Anonymous() && *v.Slice == *owned[0].Slice
		}
	}
	if len(owned) == 0 {
		return nil, nil, nil
	}
	if simple {
		return owned[0].Slice, nil, nil
	}
	running, err := runningUsers(r.opts.Dirs, r.id)
	if err != nil {
		return nil, nil, err
	}
	decides := owned[0].Slice
	for _, v := range owned {
		for _, user := range running[v.Name] {
			decides = v.Slice
			peers = append(peers, user.ID)
		}
	}
	return decides, peers, nil
}

func missingVolume(err error, name string) error {
	if errors.Is(err, volume.ErrNotFound) {
		return hint.New(err, "burrow volume create "+name+" makes an empty one")
	}
	return err
}

// runningUsers are the running containers, but for the one called self, that
// have each volume mounted.
func runningUsers(d paths.Dirs, self string) (map[string][]Record, error) {
	return volumeUsers(d, func(r Record) bool { return r.ID != self && (r.Running() || r.starting()) })
}

// VolumeUsers are the containers that have each volume among their mounts,
// whether they run or not.
func VolumeUsers(d paths.Dirs) (map[string][]Record, error) {
	return volumeUsers(d, func(Record) bool { return true })
}

func volumeUsers(d paths.Dirs, want func(Record) bool) (map[string][]Record, error) {
	records, _, err := List(d)
	if err != nil {
		return nil, err
	}
	users := map[string][]Record{}
	for _, rec := range records {
		if !want(*rec) {
			continue
		}
		full, err := LoadRecord(rec.dir)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrDamaged) {
			continue // gone, or nobody can start it
		}
		if err != nil {
			return nil, fmt.Errorf("container %s: %w", rec.Name, err)
		}
		for _, m := range full.Spec.Mounts {
			if m.Type == spec.MountVolume {
				users[m.Source] = append(users[m.Source], full)
			}
		}
	}
	return users, nil
}

// RemoveVolume deletes a volume that no container has mounted, and gives its
// slice back. Errors are volume.ErrNotFound and volume.ErrInUse.
func RemoveVolume(ctx context.Context, d paths.Dirs, name string) error {
	s := volumeStore(d)
	lock, err := s.Lock(ctx, name)
	if err != nil {
		return err
	}
	defer lock.Close()
	return removeLocked(d, s, name)
}

// removeLocked gives the slice back first: whoever uses a volume that has none
// any more gets it another.
func removeLocked(d paths.Dirs, s volume.Store, name string) error {
	use, err := s.Use(name, true)
	if err != nil {
		return err
	}
	defer use.Close()
	v, err := s.Get(name)
	if err != nil && !errors.Is(err, volume.ErrDamaged) {
		return err
	}
	if err := giveUp(d, v); err != nil {
		return err
	}
	if err := s.Remove(name); err != nil {
		return err
	}
	noteVolume(d, name, audit.Remove)
	return nil
}

// giveUp ends a volume's claim on its slice. Which IDs the user has does not
// matter for that.
func giveUp(d paths.Dirs, v volume.Volume) error {
	if v.Slice == nil || v.Anonymous() {
		return nil
	}
	ledger, err := idmap.OpenLedger(d.Ledger(), 0, idmap.LedgerOptions{})
	if err != nil {
		return err
	}
	return ledger.Unkeep(*v.Slice, v.Owner())
}
