package sys

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

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
	// With a slash at the end, root is entered although it may be a link.
	return filepath.WalkDir(root+"/", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if rel == "." {
			return dir.Chown(uid, gid)
		}
		st, err := StatBeneath(dir, rel)
		switch {
		case err != nil:
			return err
		case st.Dev == top.Dev:
			return ChownBeneath(dir, rel, uid, gid)
		case entry.IsDir():
			return fs.SkipDir
		}
		return nil
	})
}

// ChownKeeping is ChownBeneath for what is not a symbolic link, and gives back
// what lchown(2) takes away: set-ID bits and file capabilities.
func ChownKeeping(dir *os.File, name string, uid, gid int, mode uint32) error {
	const attr = "security.capability"
	caps := make([]byte, 64)
	size := 0
	f, err := OpenBeneath(dir, name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err == nil {
		defer f.Close()
		if n, err := unix.Fgetxattr(int(f.Fd()), attr, caps); err == nil {
			size = n
		}
	}
	if err := ChownBeneath(dir, name, uid, gid); err != nil {
		return err
	}
	if err := ChmodBeneath(dir, name, mode); err != nil {
		return err
	}
	if size == 0 {
		return nil
	}
	if err := unix.Fsetxattr(int(f.Fd()), attr, caps[:size], 0); err != nil {
		return &os.PathError{Op: "fsetxattr " + attr, Path: f.Name(), Err: err}
	}
	return nil
}
