package sys

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// removeDepth is how many directories below another RemoveTree opens at once.
const removeDepth = 32

// RemoveTree deletes path with all that is below it; that there is nothing is no error. It is
// os.RemoveAll for a tree that a container wrote: with a bounded number of descriptors and
// bounded memory, however deep and however full the tree is, for else what a container
// makes could not be removed any more. No link is followed. Nobody else
// should be writing there; what appears meanwhile may make it fail, no more.
func RemoveTree(path string) error {
	parent, err := OpenDir(filepath.Dir(path))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer parent.Close()
	base := filepath.Base(path)
	if done, err := unlink(parent, base); done {
		return err
	}
	top, err := openChild(parent, base)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer top.Close()
	r := treeRemoval{top: top}
	for {
		r.lifted = false
		if err := r.empty(top, 0); err != nil {
			return err
		}
		if !r.lifted {
			break
		}
	}
	return ignore(pathErr("rmdir", parent, base, unix.Unlinkat(int(parent.Fd()), base, unix.AT_REMOVEDIR)), unix.ENOENT)
}

// treeRemoval takes directories that lie too deep up to the top of the tree, and deletes
// them there.
type treeRemoval struct {
	top    *os.File
	names  int
	lifted bool
}

// removeBatch is how many names of a directory are in memory at once.
const removeBatch = 1024

// empty deletes what is in a directory.
func (r *treeRemoval) empty(dir *os.File, depth int) error {
	for {
		names, err := dir.Readdirnames(removeBatch)
		if len(names) == 0 {
			return ignore(err, io.EOF)
		}
		for _, name := range names {
			if err := r.remove(dir, name, depth); err != nil {
				return err
			}
		}
		// What was deleted may have moved what is left (readdir(3)).
		if _, err := dir.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if r.lifted && depth == 0 {
			return nil // it would find nothing but what was lifted: the next round does
		}
	}
}

func (r *treeRemoval) remove(dir *os.File, name string, depth int) error {
	if done, err := unlink(dir, name); done {
		return err
	}
	if depth >= removeDepth {
		return r.lift(dir, name)
	}
	child, err := openChild(dir, name)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	err = r.empty(child, depth+1)
	if closed := child.Close(); err != nil || closed != nil {
		return errors.Join(err, closed)
	}
	return ignore(pathErr("rmdir", dir, name, unix.Unlinkat(int(dir.Fd()), name, unix.AT_REMOVEDIR)), unix.ENOENT)
}

// lift moves a directory to the top, under a name that is free or an empty directory's.
func (r *treeRemoval) lift(dir *os.File, name string) error {
	for {
		r.names++
		err := unix.Renameat(int(dir.Fd()), name, int(r.top.Fd()), ".lifted-"+strconv.Itoa(r.names))
		switch {
		case errors.Is(err, unix.EEXIST), errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.ENOTDIR):
			continue // taken
		case err != nil:
			return pathErr("rename", dir, name, err)
		}
		r.lifted = true
		return nil
	}
}

// unlink deletes a name; it is not done if that is a directory with something in it.
func unlink(dir *os.File, name string) (done bool, err error) {
	err = unix.Unlinkat(int(dir.Fd()), name, 0)
	switch {
	case err == nil || errors.Is(err, unix.ENOENT):
		return true, nil
	case !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM): // EPERM is POSIX's word for a directory
		return true, pathErr("unlink", dir, name, err)
	}
	wasFile := err
	err = unix.Unlinkat(int(dir.Fd()), name, unix.AT_REMOVEDIR)
	switch {
	case err == nil || errors.Is(err, unix.ENOENT):
		return true, nil
	case errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST):
		return false, nil
	case errors.Is(err, unix.ENOTDIR):
		err = wasFile
	}
	return true, pathErr("unlink", dir, name, err)
}

// openChild opens a directory to be emptied.
func openChild(dir *os.File, name string) (*os.File, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(int(dir.Fd()), name, flags, 0)
	if err != nil {
		return nil, pathErr("open", dir, name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func pathErr(op string, dir *os.File, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: filepath.Join(dir.Name(), name), Err: err}
}
