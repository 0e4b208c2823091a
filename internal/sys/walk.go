package sys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// WalkBeneath calls visit for everything below dir but dir itself, a directory
// before what is in it; name is relative to dir. fs.SkipDir from visit leaves out
// what is in a directory, any other error ends the walk.
//
// It is for trees that a running container writes to: no link is followed, nothing
// is opened that is not a directory, and what vanishes or turns into something else
// meanwhile is left out.
func WalkBeneath(dir *os.File, visit func(name string, st *unix.Stat_t) error) error {
	w := walk{visit: func(_ *os.File, name, prefix string, st *unix.Stat_t) error {
		return visit(path.Join(prefix, name), st)
	}}
	return w.directory(dir, ".", "", 0)
}

// WalkDeep is WalkBeneath for a visit that has to reach what it is told of, in a tree
// that may be deeper than a path is long: name is relative to at, which is open
// during the call.
func WalkDeep(dir *os.File, visit func(at *os.File, name string, st *unix.Stat_t) error) error {
	w := walk{visit: func(at *os.File, name, _ string, st *unix.Stat_t) error { return visit(at, name, st) }}
	return w.directory(dir, ".", "", 0)
}

const (
	// walkName is how long a path relative to one descriptor gets; the kernel takes 4095 bytes.
	walkName = 2048
	// walkDepth bounds the descriptors and the memory of a walk: one per 2048 bytes of
	// path, some 200 bytes per level.
	walkDepth = 100_000
)

// ErrDeep means that directories are nested more than 100,000 deep.
var ErrDeep = errors.New("directories are nested too deeply")

type walk struct {
	visit func(at *os.File, name, prefix string, st *unix.Stat_t) error
}

// directory walks the directory name below at, which is at prefix below the top.
func (w walk) directory(at *os.File, name, prefix string, depth int) error {
	if depth > walkDepth {
		return fmt.Errorf("%.60s…: %w", path.Join(prefix, name), ErrDeep)
	}
	if len(name) > walkName {
		next, err := OpenBeneath(at, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		if otherNow(err) {
			return nil
		}
		if err != nil {
			return err
		}
		defer next.Close()
		at, name, prefix = next, ".", path.Join(prefix, name)
	}
	entries, err := listBeneath(at, name)
	if err != nil {
		return err
	}
	for i := range entries {
		e := &entries[i]
		err := w.visit(at, e.name, prefix, &e.stat)
		isDir := e.stat.Mode&unix.S_IFMT == unix.S_IFDIR
		switch {
		case isDir && errors.Is(err, fs.SkipDir):
			continue
		case err != nil:
			return err
		case isDir:
			if err := w.directory(at, e.name, prefix, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

type found struct {
	name string
	stat unix.Stat_t
}

// listBeneath reads one directory, sorted by name.
func listBeneath(dir *os.File, name string) ([]found, error) {
	f, err := OpenBeneath(dir, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if otherNow(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil && !otherNow(err) {
		return nil, err
	}
	slices.Sort(names)
	out := make([]found, 0, len(names))
	for _, base := range names {
		e := found{name: path.Join(name, base)}
		err := unix.Fstatat(int(f.Fd()), base, &e.stat, unix.AT_SYMLINK_NOFOLLOW)
		switch {
		case err == nil:
			out = append(out, e)
		case !otherNow(err):
			return nil, &os.PathError{Op: "lstat", Path: e.name, Err: err}
		}
	}
	return out, nil
}

// otherNow says that what was seen in a directory is gone, or something else.
func otherNow(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}
