package sys

import (
	"errors"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// The functions of this file work on a name below a directory that is held
// open. Symbolic links are never followed, neither on the way nor at the end,
// and nothing leads out (openat2(2), Linux 5.6). They are for trees that an
// image wrote: a path in one must be what it says.

const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

// OpenDir opens a directory for use as the first argument of the others.
func OpenDir(name string) (*os.File, error) {
	return os.OpenFile(name, unix.O_DIRECTORY|unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

// OpenBeneath opens name below dir. flags get O_CLOEXEC and O_NOFOLLOW.
func OpenBeneath(dir *os.File, name string, flags int, mode uint32) (*os.File, error) {
	how := unix.OpenHow{
		Flags: uint64(flags | unix.O_CLOEXEC | unix.O_NOFOLLOW), Mode: uint64(mode), Resolve: beneath,
	}
	rel := relative(name)
	for {
		fd, err := unix.Openat2(int(dir.Fd()), rel, &how)
		if err == nil {
			return os.NewFile(uintptr(fd), path.Join(dir.Name(), rel)), nil
		}
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return nil, &os.PathError{Op: "openat2", Path: path.Join(dir.Name(), rel), Err: err}
		}
	}
}

func relative(name string) string {
	if rel := strings.TrimPrefix(path.Clean("/"+name), "/"); rel != "" {
		return rel
	}
	return "."
}

// inParent calls fn with the open parent directory of name and its last element.
func inParent(dir *os.File, name, op string, fn func(parent int, base string) error) error {
	rel := relative(name)
	parent, err := OpenBeneath(dir, path.Dir(rel), unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer parent.Close()
	if err := fn(int(parent.Fd()), path.Base(rel)); err != nil {
		return &os.PathError{Op: op, Path: path.Join(dir.Name(), rel), Err: err}
	}
	return nil
}

// StatBeneath is lstat(2).
func StatBeneath(dir *os.File, name string) (*unix.Stat_t, error) {
	var st unix.Stat_t
	err := inParent(dir, name, "lstat", func(parent int, base string) error {
		return unix.Fstatat(parent, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return nil, err
	}
	return &st, nil
}

// MkdirBeneath makes a directory. The umask does not apply: ChmodBeneath follows.
func MkdirBeneath(dir *os.File, name string, mode uint32) error {
	return inParent(dir, name, "mkdir", func(parent int, base string) error {
		return unix.Mkdirat(parent, base, mode)
	})
}

// ChownBeneath is lchown(2).
func ChownBeneath(dir *os.File, name string, uid, gid int) error {
	return inParent(dir, name, "lchown", func(parent int, base string) error {
		return unix.Fchownat(parent, base, uid, gid, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// ChmodBeneath is chmod(2) on something that is not a symbolic link.
func ChmodBeneath(dir *os.File, name string, mode uint32) error {
	return inParent(dir, name, "chmod", func(parent int, base string) error {
		return unix.Fchmodat(parent, base, mode, 0)
	})
}

// LinkBeneath makes name another name of old.
func LinkBeneath(dir *os.File, old, name string) error {
	return inParent(dir, old, "link", func(oldParent int, oldBase string) error {
		return inParent(dir, name, "link", func(parent int, base string) error {
			return unix.Linkat(oldParent, oldBase, parent, base, 0)
		})
	})
}

// SymlinkBeneath makes name a symbolic link to target, whatever that is.
func SymlinkBeneath(dir *os.File, target, name string) error {
	return inParent(dir, name, "symlink", func(parent int, base string) error {
		return unix.Symlinkat(target, parent, base)
	})
}

// MkfifoBeneath makes a named pipe.
func MkfifoBeneath(dir *os.File, name string) error {
	return inParent(dir, name, "mkfifo", func(parent int, base string) error {
		return unix.Mknodat(parent, base, unix.S_IFIFO|0o600, 0)
	})
}

// SetTimes gives name the access and modification time of st.
func SetTimes(dir *os.File, name string, st *unix.Stat_t) error {
	times := []unix.Timespec{st.Atim, st.Mtim}
	return inParent(dir, name, "utimensat", func(parent int, base string) error {
		return unix.UtimesNanoAt(parent, base, times, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// CopyBeneath copies the content of the regular file name from one tree to
// another, sharing blocks where the file system can (ioctl_ficlone(2)).
func CopyBeneath(src, dst *os.File, name string) error {
	in, err := OpenBeneath(src, name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := OpenBeneath(dst, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) == nil {
		return out.Close()
	}
	if err := copyData(in, out); err != nil {
		return err
	}
	return out.Close()
}

// copyData copies what a file holds and leaves its holes out: an image can have
// a file of a terabyte that takes no space.
func copyData(in, out *os.File) error {
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := out.Truncate(info.Size()); err != nil {
		return err
	}
	for at := int64(0); ; {
		data, err := in.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // nothing but a hole, up to the end
		}
		if err != nil {
			return err
		}
		if at, err = in.Seek(data, unix.SEEK_HOLE); err != nil {
			return err
		}
		if _, err := in.Seek(data, io.SeekStart); err != nil {
			return err
		}
		if _, err := out.Seek(data, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(out, in, at-data); err != nil {
			return err
		}
	}
}

// CopyXattrs copies the extended attributes of name from one tree to another,
// with the IDs in them renumbered. Overlay's own markers stay behind: they say
// something about the old place.
func CopyXattrs(src, dst *os.File, name string, r Renumber) error {
	in, err := OpenBeneath(src, name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	names, err := listXattrs(in)
	if err != nil || len(names) == 0 {
		return err
	}
	out, err := OpenBeneath(dst, name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	for _, attr := range names {
		if strings.HasPrefix(attr, "user.overlay.") || strings.HasPrefix(attr, "trusted.") || attr == "security.selinux" {
			continue
		}
		if err := copyXattr(in, out, attr, r); err != nil {
			return err
		}
	}
	return nil
}

// XattrsBeneath returns the extended attributes of a regular file or directory.
func XattrsBeneath(dir *os.File, name string) (map[string]string, error) {
	f, err := OpenBeneath(dir, name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := listXattrs(f)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	out := map[string]string{}
	for _, attr := range names {
		value, err := fgetxattr(f, attr)
		if err != nil {
			return nil, err
		}
		out[attr] = string(value)
	}
	return out, nil
}

func listXattrs(f *os.File) ([]string, error) {
	size, err := unix.Flistxattr(int(f.Fd()), nil)
	if err != nil || size == 0 {
		return nil, ignore(err, unix.ENOTSUP)
	}
	list := make([]byte, size)
	if size, err = unix.Flistxattr(int(f.Fd()), list); err != nil {
		return nil, &os.PathError{Op: "flistxattr", Path: f.Name(), Err: err}
	}
	return strings.Split(strings.TrimSuffix(string(list[:size]), "\x00"), "\x00"), nil
}

func copyXattr(in, out *os.File, attr string, r Renumber) error {
	value, err := fgetxattr(in, attr)
	if err != nil {
		return err
	}
	value, _ = r.apply(attr, value)
	if err := unix.Fsetxattr(int(out.Fd()), attr, value, 0); err != nil {
		return &os.PathError{Op: "fsetxattr " + attr, Path: out.Name(), Err: err}
	}
	return nil
}

func ignore(err error, is error) error {
	if errors.Is(err, is) {
		return nil
	}
	return err
}

// ReadlinkBeneath is readlink(2).
func ReadlinkBeneath(dir *os.File, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	var n int
	err := inParent(dir, name, "readlink", func(parent int, base string) (err error) {
		n, err = unix.Readlinkat(parent, base, buf)
		return err
	})
	return string(buf[:n]), err
}

// WhiteoutBeneath makes overlay's mark for a deleted name, a character device
// 0:0, which needs no privilege (Linux 5.8).
func WhiteoutBeneath(dir *os.File, name string) error {
	return inParent(dir, name, "mknod", func(parent int, base string) error {
		return unix.Mknodat(parent, base, unix.S_IFCHR, 0)
	})
}

// CopyOverlayMarkers copies the mark that a directory hides the lower layers'.
func CopyOverlayMarkers(src, dst *os.File, name string) error {
	const opaque = "user.overlay.opaque"
	in, err := OpenBeneath(src, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	if _, err := unix.Fgetxattr(int(in.Fd()), opaque, nil); err != nil {
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
			return nil
		}
		return &os.PathError{Op: "fgetxattr", Path: in.Name(), Err: err}
	}
	out, err := OpenBeneath(dst, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	return copyXattr(in, out, opaque, Renumber{})
}

// OpenInRoot opens name in a tree that a container controls, as a process
// whose root directory is root would: links are followed and stay inside, magic
// links of /proc are refused (openat2(2)). flags get O_CLOEXEC, O_NONBLOCK and
// O_NOCTTY, so that neither a named pipe nor a terminal can do harm; the caller
// must check what kind of file it got.
func OpenInRoot(root, name string, flags int) (*os.File, error) {
	dir, err := unix.Open(root, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: root, Err: err}
	}
	defer unix.Close(dir)
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY),
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		fd, err := unix.Openat2(dir, name, &how)
		if err == nil {
			return os.NewFile(uintptr(fd), name), nil
		}
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return nil, &os.PathError{Op: "open", Path: name, Err: err} // as the container knows it
		}
	}
}
