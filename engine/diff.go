package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/transfer"
	"github.com/burrow-run/burrow/internal/sys"
)

// ChangeKind says how a file differs from the image's.
type ChangeKind byte

// The kinds, as Docker's and Podman's letters.
const (
	Changed ChangeKind = 'C'
	Added   ChangeKind = 'A'
	Deleted ChangeKind = 'D'
)

// Change is one file that differs from the image's.
type Change struct {
	Kind ChangeKind
	Path string
}

// Diff says what a container has changed of its image, sorted by path. The
// process must be in a mount namespace of its own.
func Diff(ctx context.Context, ref string, o Options) ([]Change, error) {
	rec, err := Lookup(o.Dirs, ref)
	if err != nil {
		return nil, err
	}
	r, err := reader(ctx, rec, o)
	if err != nil {
		return nil, err
	}
	if err := r.needUpper(); err != nil {
		return nil, err
	}
	if !r.hasUpper() {
		return nil, nil
	}
	layers, err := r.lower(ctx)
	if err != nil {
		return nil, err
	}
	d := differ{ctx: ctx}
	if d.lower, err = r.still(layers); err != nil {
		return nil, err
	}
	defer d.lower.Close()
	upper, err := sys.OpenDir(r.upper())
	if err != nil {
		return nil, err
	}
	defer upper.Close()
	if _, err := d.directory(upper, d.lower, "/", 0); err != nil {
		return nil, fmt.Errorf("compare with the image: %w", err)
	}
	slices.SortFunc(d.changes, func(a, b Change) int { return comparePaths(a.Path, b.Path) })
	return d.changes, nil
}

// needUpper refuses a container whose root is a directory of the caller's.
func (r *run) needUpper() error {
	if r.spec.Rootfs != nil && !r.spec.Rootfs.Overlay {
		return fmt.Errorf("container %s: %w: its root is the directory %s", r.name, ErrNoLayer, r.spec.Rootfs.Dir)
	}
	return nil
}

// comparePaths puts a directory before what is in it.
func comparePaths(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		if a[i] != b[i] {
			switch {
			case a[i] == '/':
				return -1
			case b[i] == '/':
				return 1
			}
			return int(a[i]) - int(b[i])
		}
	}
	return len(a) - len(b)
}

// differ compares a writable layer with what is below it.
type differ struct {
	ctx     context.Context //nolint:containedctx // of one call of Diff
	lower   *os.File
	changes []Change
}

func (d *differ) add(kind ChangeKind, name string) { d.changes = append(d.changes, Change{kind, name}) }

// directory compares one directory; lower is nil if there is none below. It
// says whether anything in it has changed.
func (d *differ) directory(upper, lower *os.File, name string, depth int) (changed bool, err error) {
	if err := d.ctx.Err(); err != nil {
		return false, err
	}
	if depth > maxDiffDepth {
		return false, transfer.ErrDepth
	}
	names, err := upper.Readdirnames(-1)
	if err != nil {
		return false, err
	}
	if lower != nil && transfer.Opaque(upper) {
		if err := d.hidden(lower, names, name); err != nil {
			return false, err
		}
	}
	before := len(d.changes)
	for _, base := range names {
		if err := d.entry(upper, lower, base, path.Join(name, base), depth); err != nil {
			return false, err
		}
	}
	return len(d.changes) > before, nil
}

// maxDiffDepth bounds how deep a container can send us.
const maxDiffDepth = 1024

// hidden notes what an opaque directory has deleted.
func (d *differ) hidden(lower *os.File, kept []string, name string) error {
	names, err := lower.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, base := range names {
		if !slices.Contains(kept, base) {
			d.add(Deleted, path.Join(name, base))
		}
	}
	return nil
}

func (d *differ) entry(upper, lower *os.File, base, name string, depth int) error {
	var up, low unix.Stat_t
	if err := unix.Fstatat(int(upper.Fd()), base, &up, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		if errors.Is(err, unix.ENOENT) {
			return nil // removed meanwhile
		}
		return &os.PathError{Op: "lstat", Path: name, Err: err}
	}
	below := false
	if lower != nil {
		err := unix.Fstatat(int(lower.Fd()), base, &low, unix.AT_SYMLINK_NOFOLLOW)
		if below = err == nil; err != nil && !errors.Is(err, unix.ENOENT) {
			return &os.PathError{Op: "lstat", Path: name, Err: err}
		}
	}
	kind := up.Mode & unix.S_IFMT
	switch {
	case kind == unix.S_IFCHR && up.Rdev == 0:
		if below {
			d.add(Deleted, name)
		}
		return nil
	case kind == unix.S_IFDIR:
		return d.subdirectory(upper, lower, base, name, below, &up, &low, depth)
	case ours(name) && (!below || up.Size == 0):
		return nil
	case below:
		d.add(Changed, name)
	default:
		d.add(Added, name)
	}
	return nil
}

func (d *differ) subdirectory(upper, lower *os.File, base, name string, below bool, up, low *unix.Stat_t, depth int) error {
	dir, err := sys.OpenBelow(upper, base, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer dir.Close()
	var under *os.File
	if below && low.Mode&unix.S_IFMT == unix.S_IFDIR {
		if under, err = sys.OpenBelow(lower, base, unix.O_RDONLY|unix.O_DIRECTORY); err != nil {
			return err
		}
		defer under.Close()
	}
	changed, err := d.directory(dir, under, name, depth+1)
	if err != nil {
		return err
	}
	switch {
	case !below && (changed || !ours(name)):
		d.add(Added, name)
	case below && (changed || !copiedUp(name, up, low)) && (changed || !ours(name)):
		d.add(Changed, name)
	}
	return nil
}

// copiedUp says that a directory was only copied up, or that a mount point was
// made in it.
func copiedUp(name string, a, b *unix.Stat_t) bool {
	return a.Mode == b.Mode && a.Uid == b.Uid && a.Gid == b.Gid && (a.Mtim == b.Mtim || name == "/etc")
}

// ours says whether a path is made for a mount that every container has, so
// that it is no change of the container's.
func ours(name string) bool {
	return slices.Contains([]string{
		"/dev", "/proc", "/sys", "/run", "/run/.containerenv", "/run/secrets", "/run/notify",
		"/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/etc/mtab", "/.dockerenv",
	}, name)
}
