package sys

import (
	"errors"
	"os"
	"path"

	"golang.org/x/sys/unix"
)

// OpenInRootOf is OpenInRoot for a root that is held open.
func OpenInRootOf(root *os.File, name string, flags int) (*os.File, error) {
	return openat2(root, name, flags|unix.O_NONBLOCK|unix.O_NOCTTY, unix.RESOLVE_IN_ROOT|unix.RESOLVE_NO_MAGICLINKS)
}

// OpenBelow is OpenBeneath across mounts: for a tree that a running container
// sees, or one of the caller's.
func OpenBelow(dir *os.File, name string, flags int) (*os.File, error) {
	return openat2(dir, relative(name), flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY,
		unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_MAGICLINKS)
}

func openat2(dir *os.File, name string, flags int, resolve uint64) (*os.File, error) {
	if flags&unix.O_PATH != 0 {
		flags &^= unix.O_NONBLOCK | unix.O_NOCTTY // EINVAL: nothing is opened that could do harm
	}
	how := unix.OpenHow{Flags: uint64(flags | unix.O_CLOEXEC), Resolve: resolve}
	for {
		fd, err := unix.Openat2(int(dir.Fd()), name, &how)
		if err == nil {
			return os.NewFile(uintptr(fd), path.Join(dir.Name(), name)), nil
		}
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
	}
}

// OpenPathOnly is the flag for what is only to be named by its descriptor (O_PATH).
const OpenPathOnly = unix.O_PATH

// MoveMountTo attaches a detached mount to what is open (move_mount(2)).
func MoveMountTo(detached, at *os.File) error {
	err := unix.MoveMount(int(detached.Fd()), "", int(at.Fd()), "", unix.MOVE_MOUNT_F_EMPTY_PATH|unix.MOVE_MOUNT_T_EMPTY_PATH)
	if err != nil {
		return &os.PathError{Op: "move_mount", Path: at.Name(), Err: err}
	}
	return nil
}

// MkdirInRootOf makes a directory and those above it, as a process whose root
// directory is root would see them.
func MkdirInRootOf(root *os.File, name string, mode uint32) error {
	name = path.Clean("/" + name)
	if name == "/" {
		return nil
	}
	if f, err := OpenInRootOf(root, name, unix.O_PATH|unix.O_DIRECTORY); err == nil {
		return f.Close()
	}
	if err := MkdirInRootOf(root, path.Dir(name), mode); err != nil {
		return err
	}
	parent, err := OpenInRootOf(root, path.Dir(name), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer parent.Close()
	if err := unix.Mkdirat(int(parent.Fd()), path.Base(name), mode); err != nil {
		return &os.PathError{Op: "mkdir", Path: name, Err: err}
	}
	return nil
}
