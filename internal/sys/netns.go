package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// UnshareNetns moves the calling thread, and no other, into a new network
// namespace that belongs to the thread's user namespace. The caller has locked
// the thread.
func UnshareNetns() error {
	return os.NewSyscallError("unshare(CLONE_NEWNET)", unix.Unshare(unix.CLONE_NEWNET))
}

// JoinNetns moves the calling thread into the network namespace ns. It needs
// CAP_SYS_ADMIN in the thread's own user namespace and in the one that owns ns.
func JoinNetns(ns *os.File) error {
	return os.NewSyscallError("setns(CLONE_NEWNET)", unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET))
}

// ThreadNetns opens the network namespace of the calling thread. /proc/self
// would be the main thread's, which may be another one.
func ThreadNetns() (*os.File, error) {
	return os.OpenFile("/proc/thread-self/ns/net", os.O_RDONLY|unix.O_CLOEXEC, 0)
}

// BindNetns gives the network namespace of the calling thread a name: it is
// mounted on the existing file path, which keeps it alive until unmounted.
func BindNetns(path string) error {
	err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, "")
	if err != nil {
		return &os.PathError{Op: "bind netns", Path: path, Err: err}
	}
	return nil
}

// DetachedSysfs returns a mount, attached nowhere yet, of the sysfs that shows
// the network namespace of the calling thread. The kernel lets only an owner
// of that namespace make it (sysfs_init_fs_context), and only where the mount
// namespace already has a sysfs none of which is covered (mount_too_revealing).
func DetachedSysfs() (*os.File, error) {
	fs, err := unix.Fsopen("sysfs", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("fsopen(sysfs)", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return nil, os.NewSyscallError("fsconfig(sysfs)", err)
	}
	const attr = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID |
		unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	mnt, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, attr)
	if err != nil {
		return nil, os.NewSyscallError("fsmount(sysfs)", err)
	}
	return os.NewFile(uintptr(mnt), "sysfs"), nil
}
