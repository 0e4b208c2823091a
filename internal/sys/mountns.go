package sys

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// CloneTreeOf copies the mount at path, an absolute one, as the process with
// the mount namespace ns sees it, into a tree attached nowhere. A symbolic link
// at the end is not followed; those before it lead wherever they do there. It needs
// CAP_SYS_ADMIN in the user namespace that owns ns (setns(2), open_tree(2)).
func CloneTreeOf(ns *os.File, path string) (*os.File, error) {
	type result struct {
		tree *os.File
		err  error
	}
	done := make(chan result)
	OnThread(func() (clean bool) { // it stays in the other namespace, and ends
		tree, err := cloneTreeIn(ns, path)
		done <- result{tree, err}
		return false
	})
	r := <-done
	return r.tree, r.err
}

func cloneTreeIn(ns *os.File, path string) (*os.File, error) {
	// Other threads share root and working directory with this one.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return nil, os.NewSyscallError("unshare(CLONE_FS)", err)
	}
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS); err != nil {
		return nil, os.NewSyscallError("setns(CLONE_NEWNS)", err)
	}
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return nil, fmt.Errorf("open_tree %s: %w", path, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}
