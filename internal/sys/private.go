package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// The functions of this file change the calling thread alone. The caller has
// locked it and will not give it back: there is no way to undo them.

// PrivateMounts gives the calling thread a copy of its mount namespace, from
// and to which nothing propagates.
func PrivateMounts() error {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return os.NewSyscallError("unshare(CLONE_NEWNS)", err)
	}
	return Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
}

// JoinMounts moves the calling thread into the mount namespace ns, to its root
// directory. It needs CAP_SYS_ADMIN and CAP_SYS_CHROOT in the thread's own user
// namespace, and CAP_SYS_ADMIN in the one that owns ns (setns(2)).
func JoinMounts(ns *os.File) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return os.NewSyscallError("unshare(CLONE_FS)", err)
	}
	return os.NewSyscallError("setns(CLONE_NEWNS)", unix.Setns(int(ns.Fd()), unix.CLONE_NEWNS))
}

// CloneTree copies the mounts at path, and those below it, into a tree
// attached nowhere, with further attributes set on all of it (open_tree(2),
// mount_setattr(2), Linux 5.12). A symbolic link at the end is followed.
func CloneTree(path string, attr uint64) (*os.File, error) {
	fd, err := unix.OpenTree(unix.AT_FDCWD, path, unix.OPEN_TREE_CLONE|unix.AT_RECURSIVE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return nil, &os.PathError{Op: "open_tree", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	if attr == 0 {
		return f, nil
	}
	set := unix.MountAttr{Attr_set: attr}
	if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &set); err != nil {
		f.Close()
		return nil, &os.PathError{Op: "mount_setattr", Path: path, Err: err}
	}
	return f, nil
}

// EnterRoot makes the mount at dir the root directory of the calling thread,
// and takes everything else out of its mount namespace. pivot_root with both
// arguments the same needs no directory for the old root (pivot_root(2)).
func EnterRoot(dir string) error {
	if err := unix.Chdir(dir); err != nil {
		return &os.PathError{Op: "chdir", Path: dir, Err: err}
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return &os.PathError{Op: "pivot_root", Path: dir, Err: err}
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return &os.PathError{Op: "umount old root", Path: dir, Err: err}
	}
	return os.NewSyscallError("chdir(/)", unix.Chdir("/"))
}

// NoNewPrivs keeps the calling thread, and all that it starts, from gaining
// privileges by execve(2).
func NoNewPrivs() error {
	return os.NewSyscallError("prctl(PR_SET_NO_NEW_PRIVS)", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
}
