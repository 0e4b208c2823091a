package image

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.podman.io/storage"
	"go.podman.io/storage/types"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
)

// An additional store is another engine's, whose images are used where they lie. To
// most of the code here it is a [Store] like the own one that can only be read: the
// storage library opens it as an additional store of an empty one, so that nothing
// is ever written there, not even a lock file. Layers of the one store and of the
// other never make up one image: the own images are whole without the others.

// additional returns the additional stores that can be used, in the order in which
// they are searched. They are opened when first asked for.
func (s *Store) additional() ([]*Store, error) {
	s.others.Do(func() {
		roots, err := s.additionalRoots()
		if errors.Is(err, errOwnConf) {
			s.refused = err
			return
		}
		if err != nil { // Podman's file is no reason to do nothing
			s.unusable = append(s.unusable, err)
			return
		}
		for i, root := range roots {
			other, err := s.openAdditional(root, i)
			if err != nil {
				s.unusable = append(s.unusable, fmt.Errorf("additional image store %q: %w", root, err))
				s.log.Warn("additional image store not used", slog.String("root", root), slog.Any("error", err))
				continue
			}
			if other != nil {
				s.beside = append(s.beside, other)
			}
		}
	})
	return s.beside, s.refused
}

// Unusable says why additional stores are left out that Burrow's own file names. Where
// Podman's does, it is for Podman to say.
func (s *Store) Unusable() []error {
	if !s.ownConf() {
		return nil
	}
	return s.unusable
}

// openAdditional returns nothing for the own store, or for one that is open.
func (s *Store) openAdditional(root string, n int) (*Store, error) {
	if !filepath.IsAbs(root) {
		return nil, errors.New("it is no absolute path")
	}
	dir, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, err
	}
	if dir == s.root || slices.ContainsFunc(s.beside, func(o *Store) bool { return o.root == dir }) {
		return nil, nil //nolint:nilnil // no error, and nothing to add
	}
	o := &Store{dirs: s.dirs, root: dir, opts: s.opts, log: s.log, main: s}
	o.scratch = s.scratch
	// Before the library reads it: what changes later is then seen as a change.
	o.stamp, err = plan.StampOf(plan.ImagesFile(dir))
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, driver+"-layers", "layers.json"))
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, driver+"-images", "images.lock")); err == nil {
			return nil, nil //nolint:nilnil // a store that never had an image
		}
	}
	if err != nil {
		return nil, fmt.Errorf("there is no %s store: %w", driver, err)
	}
	o.store, err = s.openToRead(driver, dir, n)
	if err != nil {
		return nil, err
	}
	return o, nil
}

// openToRead opens the store of another engine so that nothing there is written.
func (s *Store) openToRead(driver, root string, n int) (storage.Store, error) {
	// The library would make what is missing.
	for _, name := range []string{"-images/images.lock", "-layers/layers.lock", "-images/images.json", "-layers/layers.json"} {
		if _, err := os.Stat(filepath.Join(root, driver+name)); err != nil {
			return nil, fmt.Errorf("there is no %s store: %w", driver, err)
		}
	}
	if strings.ContainsAny(root, ",=") { // which separate options
		return nil, errors.New("a path with a comma or an equals sign cannot be told to the storage library")
	}
	tmp, err := s.temp()
	if err != nil {
		return nil, err
	}
	empty := filepath.Join(tmp, "empty-"+strconv.Itoa(n))
	conf := types.StoreOptions{
		GraphRoot: empty, RunRoot: empty + "-run", GraphDriverName: driver,
		GraphDriverOptions: []string{driver + ".imagestore=" + root},
	}
	if driver == "overlay" {
		conf.GraphDriverOptions = append(conf.GraphDriverOptions, "overlay.skip_mount_home=true")
	}
	return storage.GetStore(conf)
}

// findAdditional finds an image in an additional store.
func (s *Store) findAdditional(ref string) (*found, error) {
	var list []plan.Listed
	in := map[string]*Store{}
	byID := map[string]*storage.Image{}
	stores, err := s.additional()
	if err != nil {
		return nil, err
	}
	for _, o := range stores {
		images, err := o.foreignImages()
		if err != nil {
			return nil, err
		}
		for i := range images {
			img := &images[i]
			if in[img.ID] != nil {
				continue
			}
			in[img.ID], byID[img.ID] = o, img
			list = append(list, plan.Listed{ID: img.ID, Names: slices.Concat(img.Names, repoDigests(img))})
		}
	}
	m, err := plan.Pick(ref, list)
	if errors.Is(err, plan.ErrNotFound) {
		return nil, s.notFound(ref)
	}
	if err != nil {
		return nil, err
	}
	return &found{img: byID[m.ID], name: m.Name, in: in[m.ID]}, nil
}

// foreignImages are the images of an additional store that can be used where they lie.
func (s *Store) foreignImages() ([]storage.Image, error) {
	images, err := s.store.Images()
	if err != nil {
		return nil, fmt.Errorf("list images in %s: %w", s.root, err)
	}
	return slices.DeleteFunc(images, func(i storage.Image) bool { return !plan.IsID(i.ID) || isList(&i) }), nil
}

// isList says that what a store has as an image is a list of images, of which those
// of others are left alone.
func isList(img *storage.Image) bool {
	return isIndex(img) || slices.Contains(img.BigDataNames, "instances.json") // libimage, manifests.go
}

// notFound says where else an image might have been.
func (s *Store) notFound(ref string) error {
	err := fmt.Errorf("%w: %q", ErrNotFound, ref)
	if len(s.unusable) > 0 {
		return fmt.Errorf("%w; not looked for in: %w", err, s.unusable[0])
	}
	return hint.New(err, "burrow images")
}

// own is lookup for who changes the image, or stores what stands on it: it must be
// the own store's.
func (s *Store) own(ref string) (*found, error) {
	f, err := s.lookup(ref)
	if err != nil {
		return nil, err
	}
	if f.in == s {
		return f, nil
	}
	return nil, hint.New(fmt.Errorf("%w: %.12s is in the additional image store %s", ErrReadOnly, f.img.ID, f.in.root), "to have it as your own: burrow pull "+f.in.copyRef(f))
}

// copyRef is what copies an image out of the store.
func (s *Store) copyRef(f *found) string {
	name := f.name
	if name == "" || strings.Contains(name, "@") {
		name = f.img.ID
		if len(f.img.Names) > 0 {
			name = f.img.Names[0]
		}
	}
	return "'containers-storage:[" + driver + "@" + s.root + "]" + name + "'"
}

// listAdditional are the images of additional stores that a reference may lead to:
// those of which the own store has neither the image nor the name.
func (s *Store) listAdditional(own []Summary) ([]Summary, error) {
	taken, seen := map[string]bool{}, map[string]bool{}
	for _, i := range own {
		seen[i.ID] = true
		for _, n := range i.Names {
			taken[n] = true
		}
	}
	var out []Summary
	stores, err := s.additional()
	if err != nil {
		return nil, err
	}
	for _, o := range stores {
		images, err := o.foreignImages()
		if err != nil {
			return nil, err
		}
		layers, err := o.layers()
		if err != nil {
			return nil, err
		}
		for i := range images {
			sum := o.summary(&images[i], layers)
			had := len(sum.Names)
			sum.Names = slices.DeleteFunc(slices.Clone(sum.Names), func(n string) bool { return taken[n] })
			if seen[sum.ID] && len(sum.Names) == 0 {
				continue
			}
			if had > len(sum.Names) {
				sum.Digests = slices.DeleteFunc(sum.Digests, func(string) bool { return len(sum.Names) == 0 })
			}
			sum.ReadOnly, seen[sum.ID] = true, true
			for _, n := range sum.Names {
				taken[n] = true
			}
			if r, err := o.read(&images[i]); err == nil {
				sum.Labels = r.config.Config.Labels
			}
			out = append(out, sum)
		}
	}
	return out, nil
}
