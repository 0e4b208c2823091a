package image

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/image/unpack"
	"github.com/burrow-run/burrow/engine/plan"
)

// view answers what overlay would show of a stack of layers, without mounting
// it: which of the entries that a layer has are not hidden by those above.
type view struct {
	layers []*viewLayer // topmost first
}

type viewLayer struct {
	root  *os.File
	owned []unpack.Owned
	dirs  map[string]cover // by relative path, "." for the root
}

// cover is what one layer does to the directory of lower layers.
type cover int

const (
	absent cover = iota // the layer does not have it: lower ones show through
	merged              // the layer has it, and lower ones show through
	hidden              // nothing of lower layers is visible in it
)

func (s *Store) openView(ids []string) (*view, error) {
	v := &view{}
	for _, id := range ids {
		root, err := s.openLayer(id)
		if err != nil {
			v.close()
			return nil, fmt.Errorf("open layer: %w", err)
		}
		l := &viewLayer{root: root, dirs: map[string]cover{}}
		v.layers = append(v.layers, l)
		if l.owned, err = s.ownedOf(id); err != nil {
			v.close()
			return nil, err
		}
	}
	if err := v.cut(); err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

// cut drops the layers below one whose root is opaque: overlay always merges
// the roots, so that it is for us to leave them out.
func (v *view) cut() error {
	for i, l := range v.layers {
		c, err := l.directory(".")
		if err != nil {
			return err
		}
		if c == hidden {
			for _, below := range v.layers[i+1:] {
				_ = below.root.Close()
			}
			v.layers = v.layers[:i+1]
			return nil
		}
	}
	return nil
}

func (v *view) close() {
	for _, l := range v.layers {
		_ = l.root.Close()
	}
}

// shift lists the visible entries whose owner is not 0:0, parents first.
func (v *view) shift() ([]plan.Entry, int64, error) {
	var entries []plan.Entry
	var bytes int64
	for i, l := range v.layers {
		first := map[uint64]string{} // inode to the first visible name
		for _, o := range l.owned {
			over, err := v.hides(i, o.Path)
			if err != nil {
				return nil, 0, err
			}
			if over {
				continue
			}
			e := plan.Entry{Path: o.Path, Layer: i, UID: o.UID, GID: o.GID, Mode: o.Mode, Link: o.Link}
			if o.Ino != 0 {
				e.Hard = first[o.Ino]
			}
			if e.Hard == "" {
				first[o.Ino] = o.Path
				bytes += o.Size
			}
			entries = append(entries, e)
		}
	}
	slices.SortStableFunc(entries, func(a, b plan.Entry) int { return strings.Compare(a.Path, b.Path) })
	return entries, bytes, nil
}

// hides says whether a layer above the i-th hides the entry p of the i-th.
func (v *view) hides(i int, p string) (bool, error) {
	name := strings.TrimPrefix(p, "/")
	if name == "" {
		return i > 0, nil // overlay's root is the topmost layer's
	}
	for _, l := range v.layers[:i] {
		c, err := l.directory(path.Dir(name))
		if err != nil {
			return false, err
		}
		if c == hidden {
			return true, nil
		}
		if c == absent {
			continue
		}
		has, err := l.has(name)
		if has || err != nil {
			return has, err
		}
	}
	return false, nil
}

// directory says what the layer does to the directory name.
func (l *viewLayer) directory(name string) (cover, error) {
	if c, ok := l.dirs[name]; ok {
		return c, nil
	}
	c := merged
	if name != "." {
		var err error
		if c, err = l.directory(path.Dir(name)); err != nil {
			return absent, err
		}
	}
	if c == merged {
		var err error
		if c, err = l.look(name); err != nil {
			return absent, err
		}
	}
	l.dirs[name] = c
	return c, nil
}

// look opens name, whose parent the layer has and does not hide.
func (l *viewLayer) look(name string) (cover, error) {
	fd, err := l.open(name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	switch {
	case errors.Is(err, unix.ENOENT):
		return absent, nil
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return hidden, nil // a file, link or whiteout stands in its place
	case err != nil:
		return absent, fmt.Errorf("open %q in layer: %w", name, err)
	}
	defer unix.Close(fd)
	for _, attr := range []string{"user.overlay.opaque", "trusted.overlay.opaque"} {
		var b [1]byte
		n, err := unix.Fgetxattr(fd, attr, b[:])
		if err == nil && n == 1 && b[0] == 'y' {
			return hidden, nil
		}
	}
	return merged, nil
}

// has says whether the layer has name, be it as a whiteout.
func (l *viewLayer) has(name string) (bool, error) {
	fd, err := l.open(name, unix.O_PATH|unix.O_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %q in layer: %w", name, err)
	}
	return true, unix.Close(fd)
}

// open opens a name inside the layer, through no link.
func (l *viewLayer) open(name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat2(int(l.root.Fd()), name, &unix.OpenHow{
			Flags:   uint64(flags) | unix.O_CLOEXEC,
			Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS,
		})
		if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN) {
			continue
		}
		return fd, err
	}
}
