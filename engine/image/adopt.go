package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/image/unpack"
	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// Adopt makes the plan of an image that lies in an additional store, or makes it
// anew, and returns the image's ID. An image of the own store has a plan. Where there
// is none, the error is [ErrNotFound], and what was known of it is forgotten.
func (s *Store) Adopt(ctx context.Context, ref string) (string, error) {
	f, err := s.lookupImage(ref)
	if errors.Is(err, ErrNotFound) {
		return "", errors.Join(err, s.forget(ctx, ref))
	}
	if err != nil {
		return "", err
	}
	p, err := s.planOf(ctx, f)
	if err != nil {
		return "", err
	}
	return p.ID, nil
}

// planOf returns the plan of an image, making that of one in an additional store.
func (s *Store) planOf(ctx context.Context, f *found) (*plan.Plan, error) {
	if f.in == s {
		return plan.Read(s.dirs, f.img.ID)
	}
	var p *plan.Plan
	_, err := s.store.Image(f.img.ID)
	if err != nil { // else it is whole as an image of ours
		if p, err = s.inPlace(f); err != nil {
			return nil, err
		}
	}
	err = s.exclusive(ctx, func() (err error) {
		p, err = s.adopt(f, p)
		return err
	})
	return p, err
}

// inPlace is what is known of the image, if it is as it was; else what is there.
func (s *Store) inPlace(f *found) (*plan.Plan, error) {
	p, err := plan.Read(s.dirs, f.img.ID)
	if err == nil && p.Additional != nil && p.Additional.Root == f.in.root && p.SameLayers() == nil {
		return p, nil
	}
	return f.in.planInPlace(f)
}

// adopt writes the plan p of an image in an additional store. The caller holds the lock.
func (s *Store) adopt(f *found, p *plan.Plan) (*plan.Plan, error) {
	names, err := s.freeNames(f)
	if err != nil {
		return nil, err
	}
	if _, err := s.store.Image(f.img.ID); err == nil {
		for _, n := range names {
			if err := plan.Name(s.dirs, n, f.img.ID); err != nil {
				return nil, err
			}
		}
		return plan.Read(s.dirs, f.img.ID)
	}
	if p == nil {
		return nil, fmt.Errorf("%w: %.12s has just been removed", ErrNotFound, f.img.ID)
	}
	if old, err := plan.Read(s.dirs, p.ID); err == nil && old.Fresh() == nil && slices.Equal(old.Names, names) {
		return old, plan.Refer(s.dirs, old) // an image that had a name meanwhile may be gone
	}
	p.Names, p.Additional.Images = names, f.in.stamp
	p.Digest, p.Digests = digestsOf(f.img)
	if err := plan.Write(s.dirs, p); err != nil {
		return nil, err
	}
	return p, plan.Prune(s.dirs, p)
}

// freeNames are the names of an image that stand for no image of the own store, or
// of an additional one before it.
func (s *Store) freeNames(f *found) ([]string, error) {
	names := []string{}
	for _, n := range f.img.Names {
		img, err := s.store.Image(n)
		if err != nil && !errors.Is(err, storage.ErrImageUnknown) {
			return nil, fmt.Errorf("look up image %q: %w", n, err)
		}
		taken := err == nil && slices.Contains(img.Names, n)
		for _, o := range s.beside[:max(0, slices.Index(s.beside, f.in))] {
			_, err := o.store.Image(n)
			taken = taken || err == nil
		}
		if !taken {
			names = append(names, n)
		}
	}
	return names, nil
}

// forget drops the plan of an image that an additional store had. Where a container
// was made of it, only its names go: that it has nothing to run on is found out when
// it is to run.
func (s *Store) forget(ctx context.Context, ref string) error {
	if p, how, err := plan.Find(s.dirs, ref); err != nil || p.Additional == nil && !how.Alias {
		return nil //nolint:nilerr // nothing to forget
	}
	return s.exclusive(ctx, func() error {
		p, how, err := plan.Find(s.dirs, ref)
		if err == nil && how.Alias {
			return plan.Unname(s.dirs, how.Name, p.ID)
		}
		if err != nil || p.Additional == nil {
			return nil //nolint:nilerr // nothing to forget
		}
		if kept, err := s.keepPlan(p); kept || err != nil {
			return err
		}
		return plan.Remove(s.dirs, p.ID)
	})
}

// keepPlan leaves the plan of an image that containers are made of, without names.
func (s *Store) keepPlan(p *plan.Plan) (bool, error) {
	if s.opts.Users == nil {
		return false, nil
	}
	users, err := s.opts.Users(p.ID)
	if err != nil || len(users) == 0 {
		return false, err
	}
	p.Names = []string{}
	if err := plan.Write(s.dirs, p); err != nil {
		return false, err
	}
	return true, plan.Prune(s.dirs, p)
}

// planInPlace makes the plan of an image whose layers stay where they are.
func (s *Store) planInPlace(f *found) (*plan.Plan, error) {
	refuse := func(err error) error {
		return hint.New(fmt.Errorf("image %.12s in the additional store %s %w: %w", f.img.ID, s.root, ErrNotInPlace, err),
			"take a copy of it: burrow pull "+s.copyRef(f))
	}
	r, err := s.read(f.img)
	if err != nil {
		return nil, refuse(err)
	}
	ids, err := s.chain(f.img.TopLayer)
	if err != nil {
		return nil, refuse(err)
	}
	a := &plan.Additional{Root: s.root, Images: s.stamp}
	for _, id := range ids {
		stamp, err := plan.StampOf(s.layerDir(id)) // before it is read
		if err == nil {
			err = s.usable(id)
		}
		if err != nil {
			return nil, refuse(fmt.Errorf("layer %.12s: %w", id, err))
		}
		a.Layers = append(a.Layers, stamp)
	}
	p, err := s.makePlan(r) // reads the layers once more, now that it is known that it can
	if err != nil {
		return nil, refuse(err)
	}
	a.Layers = a.Layers[:len(p.Layers)] // without those that the root of one hides
	p.Additional = a
	return p, p.SameLayers()
}

var (
	errStrangers = errors.New("its files belong to others than you and your sub-IDs")
	errFuse      = errors.New("it was written for fuse-overlayfs")
	errMapped    = errors.New("it was stored for other IDs")
	errParts     = errors.New("it is not stored as plain files")
)

// usable says whether overlay shows the layer from here as the engine sees it that
// has stored it.
func (s *Store) usable(id string) error {
	l, err := s.store.Layer(id)
	if err != nil {
		return err
	}
	if len(l.UIDMap)+len(l.GIDMap) > 0 {
		return errMapped
	}
	if incomplete, _ := l.Flags["incomplete"].(bool); incomplete {
		return errors.New("it is not complete")
	}
	for _, name := range []string{"composefs-data", "additionallayer"} {
		if _, err := os.Lstat(filepath.Join(s.root, driver, id, name)); err == nil {
			return errParts
		}
	}
	root, err := s.openLayer(id)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := known(root); err != nil {
		return err
	}
	return sys.WalkBeneath(root, func(name string, st *unix.Stat_t) error { return usableFile(root, name, st) })
}

// overflow is the ID that the kernel shows for one that is not mapped here
// (user_namespaces(7)). Images have files of that ID too.
const overflow = 65534

func usableFile(root *os.File, name string, st *unix.Stat_t) error {
	if strings.HasPrefix(filepath.Base(name), ".wh.") {
		return errFuse
	}
	kind := st.Mode & unix.S_IFMT
	if kind != unix.S_IFREG && kind != unix.S_IFDIR {
		return nil
	}
	if st.Gid == overflow && !groupMapped() {
		return errStrangers
	}
	if st.Uid == overflow || st.Gid == overflow {
		f, err := sys.OpenBeneath(root, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOATIME, 0)
		if err != nil {
			return strangers(err)
		}
		f.Close()
	}
	attrs, err := sys.XattrsBeneath(root, name)
	if err != nil {
		return err
	}
	for a := range attrs {
		switch {
		case strings.HasPrefix(a, "user.fuseoverlayfs."), strings.HasPrefix(a, "user.containers."):
			return errFuse
		case a == "user.overlay.redirect", a == "user.overlay.metacopy":
			return errParts
		}
	}
	return nil
}

// groupMapped says that a group of that number can be an image's. If so, a file of
// somebody else's group cannot be told from one of the image's, for of a group the
// kernel says no more; but who changes the owner of files alone?
var groupMapped = sync.OnceValue(func() bool {
	f, err := os.Open("/proc/self/gid_map")
	if err != nil {
		return false
	}
	defer f.Close()
	m, err := idmap.ParseMap(f)
	if err != nil {
		return false
	}
	_, ok := m.Host(overflow)
	return ok
})

// known says that a directory's owner is one of this user namespace. The kernel
// lets only the owner, or who has all rights over him, leave the access time alone
// (open(2), O_NOATIME), so that this asks without a change.
func known(dir *os.File) error {
	f, err := sys.OpenBeneath(dir, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOATIME, 0)
	if err != nil {
		return strangers(err)
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if st.Gid == overflow { // of groups nothing can be asked; no image's root belongs to this one
		return errStrangers
	}
	return nil
}

func strangers(err error) error {
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return errStrangers
	}
	return err
}

// openLayer opens the directory of a layer, through no link.
func (s *Store) openLayer(id string) (*os.File, error) {
	if s.main == nil {
		return os.Open(s.layerDir(id))
	}
	layers, err := sys.OpenDir(filepath.Join(s.root, driver))
	if err != nil {
		return nil, err
	}
	defer layers.Close()
	return sys.OpenBeneath(layers, filepath.Join(id, "diff"), unix.O_RDONLY|unix.O_DIRECTORY, 0)
}

// scanned is ownedOf of a layer in an additional store, of which nothing is kept
// beside its plan: it may be another one tomorrow.
func (s *Store) scanned(id string) ([]unpack.Owned, error) {
	root, err := s.openLayer(id)
	if err != nil {
		return nil, fmt.Errorf("scan layer: %w", err)
	}
	defer root.Close()
	return unpack.Scan(root)
}
