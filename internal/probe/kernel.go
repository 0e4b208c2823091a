package probe

import (
	"errors"
	"fmt"
	"math"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the kernel offers by itself. Each trial is a call that must fail in a
// way that only a kernel which knows it can fail, or that changes nothing.
var (
	// Pidfd refers to a process that cannot be confused with a later one.
	Pidfd = newFeature("pidfd_open", "5.3", tryPidfd)
	// Openat2 resolves a path inside a root.
	Openat2 = newFeature("openat2", "5.6", tryOpenat2)
	// CloneIntoCgroup lets a child be born in its cgroup.
	CloneIntoCgroup = newFeature("clone3 with CLONE_INTO_CGROUP", "5.7", tryCloneIntoCgroup)
	// MountAPI is fsopen, fsmount, open_tree and move_mount.
	MountAPI = newFeature("new mount API", "5.2", tryMountAPI)
	// MountSetattr changes a mount tree in one step.
	MountSetattr = newFeature("mount_setattr", "5.12", tryMountSetattr)
	// Landlock restricts what a process may open; see also LandlockABI.
	Landlock = newFeature("Landlock", "5.13", tryLandlock)
	// SeccompFilter loads a system call filter.
	SeccompFilter = newFeature("seccomp filter", "4.14", trySeccomp)
)

// Kernel returns the features of the kernel, for listings.
func Kernel() []*Feature {
	return []*Feature{Pidfd, Openat2, CloneIntoCgroup, MountAPI, MountSetattr, Landlock, SeccompFilter}
}

func tryPidfd() error {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	return unix.Close(fd)
}

func tryOpenat2() error {
	fd, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return os.NewSyscallError("openat2", err)
	}
	return unix.Close(fd)
}

// cloneArgs is struct clone_args as of CLONE_ARGS_SIZE_VER2 (linux/sched.h).
type cloneArgs struct {
	flags, pidFD, childTID, parentTID, exitSignal uint64
	stack, stackSize, tls, setTID, setTIDSize     uint64
	cgroup                                        uint64
}

// tryCloneIntoCgroup names a cgroup descriptor that cannot be open: EBADF comes
// from the code that would use it (cgroup_css_set_fork), before a child exists.
// Without the feature the answer is ENOSYS, EINVAL or E2BIG.
func tryCloneIntoCgroup() error {
	args := cloneArgs{flags: unix.CLONE_INTO_CGROUP, exitSignal: uint64(unix.SIGCHLD), cgroup: math.MaxInt32 - 1}
	pid, _, errno := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args), 0)
	if errno == unix.EBADF {
		return nil
	}
	if errno == 0 {
		return fmt.Errorf("bug: clone3 made process %d", pid)
	}
	return os.NewSyscallError("clone3", errno)
}

func tryMountAPI() error {
	fd, err := unix.OpenTree(unix.AT_FDCWD, "/", unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("open_tree", err)
	}
	return unix.Close(fd)
}

// tryMountSetattr passes a size of zero, which is refused first (EINVAL).
func tryMountSetattr() error {
	_, _, errno := unix.Syscall6(unix.SYS_MOUNT_SETATTR, ^uintptr(0), 0, 0, 0, 0, 0)
	if errno == unix.EINVAL {
		return nil
	}
	return os.NewSyscallError("mount_setattr", errno)
}

func tryLandlock() error {
	_, err := landlockABI()
	return err
}

func landlockABI() (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, os.NewSyscallError("landlock_create_ruleset", errno)
	}
	return int(n), nil
}

// LandlockABI returns the kernel's Landlock version, 0 where there is none.
func LandlockABI() int {
	if !Landlock.OK() {
		return 0
	}
	n, err := landlockABI()
	if err != nil {
		return 0
	}
	return n
}

func trySeccomp() error {
	action := uint32(unix.SECCOMP_RET_KILL_PROCESS)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}

// IsMissing says that err is how a kernel without a system call answers.
func IsMissing(err error) bool {
	return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP)
}
