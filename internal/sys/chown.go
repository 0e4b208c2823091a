package sys

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// ChownTree gives root and everything below it to uid:gid. Symbolic links are
// re-owned, not followed; other file systems are left alone. Where the tree
// changes meanwhile, nothing outside it is reached.
func ChownTree(root string, uid, gid int) error {
	dir, err := OpenDir(root)
	if errors.Is(err, unix.ENOTDIR) {
		return os.Chown(root, uid, gid) // a file; the caller named it, by a link perhaps
	}
	if err != nil {
		return err
	}
	defer dir.Close()
	var top unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &top); err != nil {
		return &os.PathError{Op: "fstat", Path: root, Err: err}
	}
	if err := dir.Chown(uid, gid); err != nil {
		return err
	}
	return WalkDeep(dir, func(at *os.File, name string, st *unix.Stat_t) error {
		if st.Dev != top.Dev {
			return skip(st)
		}
		return ChownBeneath(at, name, uid, gid)
	})
}

// skip leaves out a file, and what is in it if it is a directory.
func skip(st *unix.Stat_t) error {
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return fs.SkipDir
	}
	return nil
}

// ChownKeeping is ChownBeneath for what is not a symbolic link, and gives back
// what lchown(2) takes away: set-ID bits and file capabilities, whose root is
// renumbered.
func ChownKeeping(dir *os.File, name string, uid, gid int, mode uint32, r Renumber) error {
	var caps []byte
	f, err := OpenBeneath(dir, name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err == nil {
		defer f.Close()
		if caps, err = fgetxattr(f, attrCaps); err != nil {
			return err
		}
	}
	if err := ChownBeneath(dir, name, uid, gid); err != nil {
		return err
	}
	if err := ChmodBeneath(dir, name, mode); err != nil {
		return err
	}
	if caps == nil {
		return nil
	}
	caps, _ = r.apply(attrCaps, caps)
	if err := unix.Fsetxattr(int(f.Fd()), attrCaps, caps, 0); err != nil {
		return &os.PathError{Op: "fsetxattr " + attrCaps, Path: f.Name(), Err: err}
	}
	return nil
}
