package image

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// Difference is what one image has and another has not. Names are absolute,
// directories before what is in them.
type Difference struct {
	Changed, Added, Deleted []string
}

// Diff compares the image ref with another, or with itself without its topmost
// layer if other is "".
func (s *Store) Diff(ctx context.Context, ref, other string) (*Difference, error) {
	f, err := s.lookupImage(ref)
	if err != nil {
		return nil, err
	}
	ids, err := f.in.chain(f.img.TopLayer)
	if err != nil {
		return nil, err
	}
	below, in := ids[min(1, len(ids)):], f.in
	if other != "" {
		f, err := s.lookupImage(other)
		if err != nil {
			return nil, err
		}
		if below, err = f.in.chain(f.img.TopLayer); err != nil {
			return nil, err
		}
		in = f.in
	}
	now, err := f.in.entries(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("diff %s: %w", ref, err)
	}
	was, err := in.entries(ctx, below)
	if err != nil {
		return nil, fmt.Errorf("diff %s: %w", ref, err)
	}
	return compare(was, now), nil
}

// entry is a visible name of an image.
type entry struct {
	layer  string // that it comes from
	stat   unix.Stat_t
	target string // of a link
}

// entries lists what overlay would show of the layers, topmost first.
func (s *Store) entries(ctx context.Context, ids []string) (map[string]entry, error) {
	v, err := s.openView(ids)
	if err != nil {
		return nil, err
	}
	defer v.close()
	out := map[string]entry{}
	for i, l := range v.layers {
		err := sys.WalkBeneath(l.root, func(name string, st *unix.Stat_t) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0 {
				return nil // a whiteout
			}
			over, err := v.hides(i, name)
			if err != nil {
				return err
			}
			if over {
				if _, has := out["/"+name]; !has && st.Mode&unix.S_IFMT == unix.S_IFDIR {
					return fs.SkipDir
				}
				return nil
			}
			e := entry{layer: ids[i], stat: *st}
			if st.Mode&unix.S_IFMT == unix.S_IFLNK {
				if e.target, err = sys.ReadlinkBeneath(l.root, name); err != nil {
					return err
				}
			}
			out["/"+name] = e
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func compare(was, now map[string]entry) *Difference {
	d := &Difference{}
	changed := map[string]bool{}
	// mark notes that what is in a directory has changed.
	mark := func(name string) {
		for dir := path.Dir(name); dir != "/" && !changed[dir]; dir = path.Dir(dir) {
			changed[dir] = true
		}
	}
	for name, e := range now {
		old, had := was[name]
		switch {
		case !had:
			d.Added = append(d.Added, name)
			mark(name)
		case !same(&old, &e):
			changed[name] = true
			mark(name)
		}
	}
	for name := range was {
		if _, has := now[name]; has {
			continue
		}
		mark(name)
		dir := path.Dir(name)
		if _, has := now[dir]; has || dir == "/" { // else its directory is gone, which says it all
			d.Deleted = append(d.Deleted, name)
		}
	}
	for name := range maps.Keys(changed) {
		_, had := was[name]
		if _, has := now[name]; has && had {
			d.Changed = append(d.Changed, name)
		}
	}
	for _, list := range []*[]string{&d.Changed, &d.Added, &d.Deleted} {
		slices.Sort(*list)
	}
	return d
}

// same says that two entries look alike. Times of directories do not count:
// they change with what is in them.
func same(a, b *entry) bool {
	if a.layer == b.layer {
		return true
	}
	x, y := &a.stat, &b.stat
	if x.Mode != y.Mode || x.Uid != y.Uid || x.Gid != y.Gid || x.Rdev != y.Rdev || a.target != b.target {
		return false
	}
	return x.Mode&unix.S_IFMT == unix.S_IFDIR || (x.Size == y.Size && x.Mtim == y.Mtim)
}
