package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/sys"
)

// shiftLayer returns the layer that gives the image's files to the slice: it
// holds only the entries whose owner is not 0:0, re-owned. It is made once per
// image and slice, in a temporary directory that becomes visible by one rename,
// so that a run that dies half-way leaves nothing that another would trust.
//
// It is not synced, so its key names the boot too: after a power failure the
// files of one that was just made may be empty.
func shiftLayer(ctx context.Context, dir, key string, p *plan.Plan, owners ownerMap) (string, error) {
	final := filepath.Join(dir, key)
	if _, err := os.Lstat(final); err == nil {
		return final, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	tmp, drop, err := tempLayer(dir)
	if err != nil {
		return "", err
	}
	defer drop()
	b := shiftBuilder{plan: p, owners: owners}
	if b.dst, err = sys.OpenDir(tmp); err != nil {
		return "", err
	}
	defer b.dst.Close()
	if err := b.build(ctx); err != nil {
		return "", fmt.Errorf("re-own image files: %w", err)
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(tmp, final); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		return "", err
	}
	return final, nil
}

// newLayer begins the name of a layer that is being made.
const newLayer = ".new-"

// tempLayer makes a directory for a new layer and claims it. drop removes what
// has not been renamed by then.
func tempLayer(dir string) (tmp string, drop func(), err error) {
	if tmp, err = os.MkdirTemp(dir, newLayer); err != nil {
		return "", nil, err
	}
	hold, err := claim(tmp)
	if err != nil {
		_ = os.Remove(tmp)
		return "", nil, err
	}
	return tmp, func() {
		_ = sys.RemoveTree(tmp)
		hold.Close()
	}, nil
}

// shiftBuilder copies entries from the image's layers into a new layer.
type shiftBuilder struct {
	plan   *plan.Plan
	owners ownerMap
	dst    *os.File
	src    []*os.File // parallel to plan.Layers, opened when first needed
	made   map[string]bool
	dirs   []madeDir // to get their times back when all is in them
}

type madeDir struct {
	path string
	stat unix.Stat_t
}

func (b *shiftBuilder) build(ctx context.Context) error {
	b.src = make([]*os.File, len(b.plan.Layers))
	b.made = map[string]bool{"/": true}
	defer func() {
		for _, f := range b.src {
			if f != nil {
				f.Close()
			}
		}
	}()
	for _, e := range b.plan.Shift {
		if err := ctx.Err(); err != nil {
			return err
		}
		if e.Path == "/" || b.owners.stays(e.UID, e.GID) {
			continue // the writable layer above gives the root its owner
		}
		if err := b.parents(path.Dir(e.Path)); err != nil {
			return err
		}
		if err := b.entry(e); err != nil {
			return err
		}
	}
	for _, d := range b.dirs {
		if err := sys.SetTimes(b.dst, d.path, &d.stat); err != nil {
			return err
		}
	}
	return nil
}

// parents makes the directories above an entry as the merged image shows them:
// the attributes of a directory come from the topmost layer that has it, which
// is now this one.
func (b *shiftBuilder) parents(dir string) error {
	if b.made[dir] {
		return nil
	}
	if err := b.parents(path.Dir(dir)); err != nil {
		return err
	}
	for i := range b.plan.Layers {
		src, err := b.layer(i)
		if err != nil {
			return err
		}
		st, err := sys.StatBeneath(src, dir)
		if err != nil {
			continue // not in this layer
		}
		return b.directory(i, dir, st, st.Uid, st.Gid)
	}
	return fmt.Errorf("%s: in no layer", dir)
}

func (b *shiftBuilder) layer(i int) (*os.File, error) {
	if i < 0 || i >= len(b.src) {
		return nil, fmt.Errorf("bug: layer %d of %d", i, len(b.src))
	}
	if b.src[i] == nil {
		f, err := sys.OpenDir(b.plan.Layers[i])
		if err != nil {
			return nil, err
		}
		b.src[i] = f
	}
	return b.src[i], nil
}

func (b *shiftBuilder) directory(layer int, name string, st *unix.Stat_t, uid, gid uint32) error {
	if err := sys.MkdirBeneath(b.dst, name, st.Mode&0o7777); err != nil {
		return err
	}
	b.made[name] = true
	b.dirs = append(b.dirs, madeDir{name, *st})
	return b.own(layer, name, st, uid, gid)
}

// own gives name its mapped owner, then its mode, which chown may have
// reduced, then its extended attributes.
func (b *shiftBuilder) own(layer int, name string, st *unix.Stat_t, uid, gid uint32) error {
	u, g, err := b.owners.of(uid, gid)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := sys.ChownBeneath(b.dst, name, u, g); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return nil
	}
	if err := sys.ChmodBeneath(b.dst, name, st.Mode&0o7777); err != nil {
		return err
	}
	return sys.CopyXattrs(b.src[layer], b.dst, name, b.owners.renumber())
}

func (b *shiftBuilder) entry(e plan.Entry) error {
	if e.Hard != "" {
		return sys.LinkBeneath(b.dst, e.Hard, e.Path)
	}
	src, err := b.layer(e.Layer)
	if err != nil {
		return err
	}
	st, err := sys.StatBeneath(src, e.Path)
	if err != nil {
		return err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return b.directory(e.Layer, e.Path, st, e.UID, e.GID)
	case unix.S_IFLNK:
		err = sys.SymlinkBeneath(b.dst, e.Link, e.Path)
	case unix.S_IFREG:
		err = sys.CopyBeneath(src, b.dst, e.Path)
	case unix.S_IFIFO:
		err = sys.MkfifoBeneath(b.dst, e.Path)
	default:
		return nil // devices and sockets of an image are never used
	}
	if err != nil {
		return err
	}
	if err := b.own(e.Layer, e.Path, st, e.UID, e.GID); err != nil {
		return err
	}
	return sys.SetTimes(b.dst, e.Path, st)
}
