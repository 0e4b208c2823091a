package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// Flags of Mount that callers need by name (mount(2)).
const (
	MountBind       = unix.MS_BIND
	MountRec        = unix.MS_REC
	MountReadOnly   = unix.MS_RDONLY
	MountRemount    = unix.MS_REMOUNT
	MountNoSUID     = unix.MS_NOSUID
	MountNoDev      = unix.MS_NODEV
	MountNoExec     = unix.MS_NOEXEC
	MountPrivate    = unix.MS_PRIVATE
	MountShared     = unix.MS_SHARED
	MountSlave      = unix.MS_SLAVE
	MountUnbindable = unix.MS_UNBINDABLE
)

// Mount is mount(2). target must not lie in a tree that a container controls:
// the kernel follows its symbolic links.
func Mount(source, target, fstype string, flags uintptr, data string) error {
	if err := unix.Mount(source, target, fstype, flags, data); err != nil {
		return &os.PathError{Op: "mount " + fstype, Path: target, Err: err}
	}
	return nil
}

// UnmountDetach takes target and all below it out of the mount namespace
// (umount2(2), MNT_DETACH); what is open stays usable.
func UnmountDetach(target string) error {
	if err := unix.Unmount(target, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
		return &os.PathError{Op: "umount", Path: target, Err: err}
	}
	return nil
}

// SetMountAttr sets attributes on the whole mount tree at path at once
// (mount_setattr(2), Linux 5.12).
func SetMountAttr(path string, set uint64) error {
	attr := unix.MountAttr{Attr_set: set}
	if err := unix.MountSetattr(unix.AT_FDCWD, path, unix.AT_RECURSIVE, &attr); err != nil {
		return &os.PathError{Op: "mount_setattr", Path: path, Err: err}
	}
	return nil
}

// Attributes of SetMountAttr.
const (
	AttrReadOnly = unix.MOUNT_ATTR_RDONLY
	AttrNoSUID   = unix.MOUNT_ATTR_NOSUID
	AttrNoDev    = unix.MOUNT_ATTR_NODEV
)

// ErrReadOnly is what writing to a read-only file system gives.
var ErrReadOnly error = unix.EROFS

// MoveMount attaches a detached mount at path (move_mount(2), Linux 5.2).
func MoveMount(detached *os.File, path string) error {
	err := unix.MoveMount(int(detached.Fd()), "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH)
	if err != nil {
		return &os.PathError{Op: "move_mount", Path: path, Err: err}
	}
	return nil
}
