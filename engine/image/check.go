package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
)

// Damage is what is wrong with one image.
type Damage struct {
	ID       string
	Names    []string
	Problems []string // one line each
	// layers are the IDs of the layers, or of an artifact the digests of the files,
	// that are not what they were.
	layers []string
	// artifact is its name, "" for an image.
	artifact string
	// record: what is stored of the image beside its layers is damaged.
	record bool
}

// Check finds images and artifacts that are not whole. Of every layer the archive it came from is
// made again, compared with its digest, unpacked and compared with what is there,
// which takes as much room on the disk for as long; with quick it is only looked
// whether all is there.
//
// It does not find out whether what a registry sent was good in the first place:
// that is asked when it comes.
func (s *Store) Check(ctx context.Context, quick bool) ([]Damage, error) {
	images, err := s.store.Images()
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	layers, err := s.layers()
	if err != nil {
		return nil, err
	}
	problems := map[string][]string{} // by layer, each of which is looked at once
	var out []Damage
	for i := range images {
		d := Damage{ID: images[i].ID, Names: images[i].Names}
		for id := images[i].TopLayer; id != ""; id = parentOf(layers[id]) {
			found, known := problems[id]
			if !known {
				if found, err = s.checkLayer(ctx, id, layers[id], quick); err != nil {
					return nil, fmt.Errorf("check layer %.12s: %w", id, err)
				}
				problems[id] = found
			}
			if len(found) > 0 {
				d.layers = append(d.layers, id)
			}
			for _, p := range found {
				d.Problems = append(d.Problems, fmt.Sprintf("layer %.12s: %s", id, p))
			}
		}
		if d.record = !s.readable(&images[i]); d.record {
			d.Problems = append(d.Problems, "its manifest or configuration cannot be read")
		}
		if len(d.Problems) == 0 {
			if err := s.planned(&images[i]); err != nil {
				d.Problems = append(d.Problems, err.Error())
			}
		}
		if len(d.Problems) > 0 {
			out = append(out, d)
		}
	}
	artifacts, err := s.checkArtifacts(ctx, quick)
	return append(out, artifacts...), err
}

func parentOf(l *storage.Layer) string {
	if l == nil {
		return ""
	}
	return l.Parent
}

func (s *Store) checkLayer(ctx context.Context, id string, l *storage.Layer, quick bool) ([]string, error) {
	if l == nil {
		return []string{"it is gone"}, nil
	}
	if _, err := os.Stat(s.layerDir(id)); err != nil {
		return []string{err.Error()}, nil //nolint:nilerr // that is what is wrong
	}
	if quick {
		return nil, nil
	}
	return s.verify(ctx, l)
}

// readable says whether the manifest, the configuration and whatever else is kept
// of an image has the size it had.
func (s *Store) readable(img *storage.Image) bool {
	for _, key := range img.BigDataNames {
		b, err := s.store.ImageBigData(img.ID, key)
		if err != nil || int64(len(b)) != img.BigDataSizes[key] {
			return false
		}
	}
	return true
}

// planned says what is wrong with what `run` reads of the image.
func (s *Store) planned(img *storage.Image) error {
	p, err := plan.Read(s.dirs, img.ID)
	if err != nil {
		return fmt.Errorf("plan: %w", err)
	}
	ids, err := s.chain(img.TopLayer)
	if err != nil {
		return err
	}
	for i, dir := range p.Layers {
		if i >= len(ids) || dir != s.layerDir(ids[i]) {
			return fmt.Errorf("plan: %w: it names other layers than the image has", plan.ErrDamaged)
		}
	}
	refs, err := plan.References(s.dirs)
	if err != nil {
		return err
	}
	for _, n := range img.Names {
		if refs[n] != img.ID {
			return fmt.Errorf("plan: %w: the name %s leads elsewhere", plan.ErrDamaged, n)
		}
	}
	return nil
}

// Mend fetches again what Check has found damaged. An image that no registry has
// stays as it is, which is an error that says so; so does one that a running
// container uses, whose files must not change under it.
func (s *Store) Mend(ctx context.Context, d Damage, remote Remote) error {
	if d.artifact != "" {
		return s.mendArtifact(ctx, d, remote)
	}
	d.layers = slices.DeleteFunc(slices.Clone(d.layers), func(id string) bool { return s.mended[id] }) // another image has them too
	if len(d.layers) == 0 && !d.record {
		return s.replan(ctx, d.ID)
	}
	if err := s.atRest(d); err != nil {
		return err
	}
	if img, err := s.store.Image(d.ID); err == nil && isIndex(img) {
		return hint.New(errors.New("it is a list of images that was made here"), "make it again: burrow manifest create")
	}
	names, err := s.remoteNames(d)
	if err != nil {
		return err
	}
	s.damaged = map[string]bool{d.ID: true}
	for _, id := range d.layers {
		s.damaged[id] = true
	}
	defer func() { s.damaged = nil }()
	for _, name := range names {
		if err = s.fetchAgain(ctx, name, d.ID, remote); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	for _, id := range d.layers {
		s.mended[id] = true
	}
	return s.replan(ctx, d.ID)
}

// atRest says that no running container sees what is damaged, be it by another image.
func (s *Store) atRest(d Damage) error {
	images, err := s.store.Images()
	if err != nil {
		return fmt.Errorf("list images: %w", err)
	}
	layers, err := s.layers()
	if err != nil {
		return err
	}
	for i := range images {
		shares := images[i].ID == d.ID
		for id := images[i].TopLayer; id != "" && !shares; id = parentOf(layers[id]) {
			shares = slices.Contains(d.layers, id)
		}
		if !shares {
			continue
		}
		if err := s.unused(images[i].ID, true); err != nil {
			return err
		}
	}
	return nil
}

// fetchAgain stores an image as it is stored already, under no further name.
func (s *Store) fetchAgain(ctx context.Context, name reference.Named, id string, remote Remote) error {
	sys, err := s.remoteSystem(remote)
	if err != nil {
		return err
	}
	from, err := docker.NewReference(name)
	if err != nil {
		return err
	}
	got, err := s.fetch(ctx, from, sys, nil)
	if err != nil {
		return explain("pull", name.String(), reference.Domain(name), err)
	}
	if got != id {
		return fmt.Errorf("%s is another image there", name)
	}
	return nil
}

// exchange puts what was unpacked in the place of a layer's damaged content, in one
// step: there is no moment without.
func (s *Store) exchange(parent, id string, l *staged) error {
	defer s.discard(l)
	if l.out.RootDirMode == nil && parent != "" { // as the storage library does
		below, err := os.Stat(s.layerDir(parent))
		if err != nil {
			return fmt.Errorf("mend layer: %w", err)
		}
		if err := os.Chmod(l.out.Target, below.Mode()); err != nil {
			return fmt.Errorf("mend layer: %w", err)
		}
	}
	err := unix.Renameat2(unix.AT_FDCWD, l.out.Target, unix.AT_FDCWD, s.layerDir(id), unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.ENOENT) {
		err = os.Rename(l.out.Target, s.layerDir(id))
	}
	if err != nil {
		return fmt.Errorf("mend layer: %w", err)
	}
	return nil
}

// replan makes anew what is derived from a whole image.
func (s *Store) replan(ctx context.Context, id string) error {
	return s.exclusive(ctx, func() error {
		img, err := s.store.Image(id)
		if err != nil {
			return err
		}
		s.forgetOwners(img.TopLayer)
		p, err := s.writePlan(id)
		if err != nil {
			return err
		}
		return plan.Prune(s.dirs, p)
	})
}

// Drop removes an image that cannot be mended, unless a running container uses it.
func (s *Store) Drop(ctx context.Context, d Damage) error {
	if d.artifact != "" {
		_, err := s.RemoveArtifact(ctx, d.artifact)
		return err
	}
	return s.exclusive(ctx, func() error {
		if err := s.unused(d.ID, true); err != nil {
			return err
		}
		return s.drop(d.ID)
	})
}

// remoteNames are by what an image may be asked for at registries, by digest: what
// has its name by now may be another.
func (s *Store) remoteNames(d Damage) ([]reference.Named, error) {
	img, err := s.store.Image(d.ID)
	if err != nil {
		return nil, err
	}
	var names []reference.Named
	for _, n := range slices.Concat(img.Names, img.NamesHistory) {
		named, err := reference.ParseNormalizedNamed(n)
		if err != nil || reference.Domain(named) == "localhost" { // what was made here
			continue
		}
		exact, err := reference.WithDigest(reference.TrimNamed(named), manifestDigest(img))
		if err == nil && !slices.ContainsFunc(names, func(n reference.Named) bool { return n.String() == exact.String() }) {
			names = append(names, exact)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("image %.12s comes from no registry", d.ID)
	}
	return names, nil
}
