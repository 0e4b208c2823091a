package sys

import (
	"errors"
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
// meanwhile is left out. It holds one descriptor, however deep the tree is.
func WalkBeneath(dir *os.File, visit func(name string, st *unix.Stat_t) error) error {
	return walkBeneath(dir, ".", visit)
}

type found struct {
	name string
	stat unix.Stat_t
}

func walkBeneath(dir *os.File, name string, visit func(string, *unix.Stat_t) error) error {
	entries, err := listBeneath(dir, name)
	if err != nil {
		return err
	}
	for i := range entries {
		e := &entries[i]
		err := visit(e.name, &e.stat)
		isDir := e.stat.Mode&unix.S_IFMT == unix.S_IFDIR
		switch {
		case isDir && errors.Is(err, fs.SkipDir):
			continue
		case err != nil:
			return err
		case isDir:
			if err := walkBeneath(dir, e.name, visit); err != nil {
				return err
			}
		}
	}
	return nil
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
