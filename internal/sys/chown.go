package sys

import (
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ChownTree gives root and everything below it to uid:gid. Symbolic links are
// re-owned, not followed; other file systems are left alone. The tree is the
// caller's: it must not change while this runs.
func ChownTree(root string, uid, gid int) error {
	var top unix.Stat_t
	if err := unix.Lstat(root, &top); err != nil {
		return &os.PathError{Op: "lstat", Path: root, Err: err}
	}
	dir, err := OpenDir(root)
	if err != nil {
		if top.Mode&unix.S_IFMT == unix.S_IFREG {
			return os.Lchown(root, uid, gid)
		}
		return err
	}
	defer dir.Close()
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
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
		if err != nil {
			return err
		}
		if st.Dev != top.Dev {
			return fs.SkipDir
		}
		return ChownBeneath(dir, rel, uid, gid)
	})
}
