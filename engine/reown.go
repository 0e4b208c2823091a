package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/sys"
)

// layersDir is where they are, below the shift layers.
const layersDir = "layers"

// reownImage is for maps where the image's root itself moves (auto, keep-id):
// then every file needs another owner, and a thin layer would be the whole
// image. It copies each layer once per map, in parallel and sharing blocks
// where the file system can, outside every lock, and keeps the copies.
//
// It returns the copies' directories, topmost first.
func reownImage(ctx context.Context, dir, key string, p *plan.Plan, owners ownerMap, log *slog.Logger) ([]string, error) {
	base := filepath.Join(dir, layersDir)
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, err
	}
	out := make([]string, 0, len(p.Layers))
	for _, layer := range p.Layers {
		// containers/storage names a layer's directory ID/diff.
		name := filepath.Base(filepath.Dir(layer))
		final := filepath.Join(base, name[:min(len(name), 16)]+"-"+key)
		out = append(out, final)
		if _, err := os.Lstat(final); err == nil {
			continue
		}
		if log != nil {
			log.Info("re-owning image layer for this map, once", slog.String("layer", name))
		}
		if err := reownLayer(ctx, base, layer, final, owners); err != nil {
			return nil, fmt.Errorf("re-own layer %.12s: %w", name, err)
		}
	}
	return out, nil
}

func reownLayer(ctx context.Context, base, layer, final string, owners ownerMap) error {
	tmp, drop, err := tempLayer(base)
	if err != nil {
		return err
	}
	defer drop()
	c := layerCopy{owners: owners, links: map[uint64]string{}}
	if c.src, err = sys.OpenDir(layer); err != nil {
		return err
	}
	defer c.src.Close()
	if c.dst, err = sys.OpenDir(tmp); err != nil {
		return err
	}
	defer c.dst.Close()
	if err := c.copy(ctx, layer); err != nil {
		return err
	}
	// The copy is kept for good: it must be whole before it has a name.
	if err := sys.SyncFS(c.dst); err != nil {
		return err
	}
	err = os.Rename(tmp, final)
	if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
		return nil // another run was faster
	}
	return err
}

// layerCopy copies one layer, whiteouts and opaque markers included.
type layerCopy struct {
	src, dst *os.File
	owners   ownerMap
	links    map[uint64]string // inode to the first name of a file with several
	dirs     []madeDir
	hard     [][2]string
}

// copy makes the directories and links in order and copies the files in
// parallel; times of directories come last, for copying changes them.
func (c *layerCopy) copy(ctx context.Context, layer string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0) * 2)
	err := filepath.WalkDir(layer, func(full string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		rel, err := filepath.Rel(layer, full)
		if err != nil {
			return err
		}
		return c.one(group, path.Join("/", rel))
	})
	if waited := group.Wait(); waited != nil {
		return waited
	}
	if err != nil {
		return err
	}
	for _, l := range c.hard {
		if err := sys.LinkBeneath(c.dst, l[0], l[1]); err != nil {
			return err
		}
	}
	for _, d := range c.dirs {
		if err := sys.SetTimes(c.dst, d.path, &d.stat); err != nil {
			return err
		}
	}
	return nil
}

func (c *layerCopy) one(group *errgroup.Group, name string) error {
	st, err := sys.StatBeneath(c.src, name)
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink > 1 {
		if first, ok := c.links[st.Ino]; ok {
			c.hard = append(c.hard, [2]string{first, name})
			return nil
		}
		c.links[st.Ino] = name
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		c.dirs = append(c.dirs, madeDir{name, *st})
		if name != "/" {
			if err := sys.MkdirBeneath(c.dst, name, 0o700); err != nil {
				return err
			}
		}
		if err := sys.CopyOverlayMarkers(c.src, c.dst, name); err != nil {
			return err
		}
		return c.own(name, st)
	case unix.S_IFREG:
		group.Go(func() error {
			if err := sys.CopyBeneath(c.src, c.dst, name); err != nil {
				return err
			}
			if err := c.own(name, st); err != nil {
				return err
			}
			return sys.SetTimes(c.dst, name, st)
		})
		return nil
	case unix.S_IFLNK:
		target, err := sys.ReadlinkBeneath(c.src, name)
		if err != nil {
			return err
		}
		if err := sys.SymlinkBeneath(c.dst, target, name); err != nil {
			return err
		}
	case unix.S_IFIFO:
		if err := sys.MkfifoBeneath(c.dst, name); err != nil {
			return err
		}
	case unix.S_IFCHR:
		if st.Rdev != 0 {
			return nil
		}
		return sys.WhiteoutBeneath(c.dst, name)
	default:
		return nil
	}
	if err := c.own(name, st); err != nil {
		return err
	}
	return sys.SetTimes(c.dst, name, st)
}

func (c *layerCopy) own(name string, st *unix.Stat_t) error {
	uid, gid, err := c.owners.of(st.Uid, st.Gid)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err := sys.ChownBeneath(c.dst, name, uid, gid); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return nil
	}
	if err := sys.ChmodBeneath(c.dst, name, st.Mode&0o7777); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFIFO {
		return nil
	}
	return sys.CopyXattrs(c.src, c.dst, name, c.owners.renumber())
}
