package unpack

import (
	"archive/tar"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const paxXattr = "SCHILY.xattr."

// dirMeta is applied when all entries are there: before, a set-group-ID
// directory or a default ACL would leak into its children, and every child
// would change the time.
type dirMeta struct {
	name     string
	uid, gid int
	mode     uint32
	mtime    time.Time
	xattrs   map[string]string
}

func newDirMeta(name string, hdr *tar.Header) dirMeta {
	return dirMeta{name: name, uid: hdr.Uid, gid: hdr.Gid, mode: uint32(hdr.Mode & 0o7777), mtime: hdr.ModTime, xattrs: xattrsOf(hdr)}
}

// xattrsOf returns the attributes a layer may set. Overlay's are ours to set;
// trusted ones need the initial namespace; SELinux labels the host decides.
func xattrsOf(hdr *tar.Header) map[string]string {
	var out map[string]string
	for k, v := range hdr.PAXRecords {
		name, ok := strings.CutPrefix(k, paxXattr)
		if !ok || name == "" || strings.HasPrefix(name, "user.overlay.") || strings.HasPrefix(name, "trusted.") ||
			strings.HasPrefix(name, "user.containers.") || name == "security.selinux" || name == "security.ima" || name == "security.evm" {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = v
	}
	return out
}

// metadataFD sets owner, mode, attributes and time of a regular file, in this
// order: chown clears set-user-ID and file capabilities.
func (u *unpacker) metadataFD(fd int, hdr *tar.Header) error {
	if hdr.Uid != 0 || hdr.Gid != 0 {
		if err := u.owned(unix.Fchown(fd, hdr.Uid, hdr.Gid), hdr.Uid, hdr.Gid); err != nil {
			return err
		}
	}
	if mode := uint32(hdr.Mode & 0o7777); !u.exact || mode != mode&0o777 {
		if err := unix.Fchmod(fd, mode); err != nil {
			return os.NewSyscallError("fchmod", err)
		}
	}
	if err := setXattrs(fd, xattrsOf(hdr)); err != nil {
		return err
	}
	return setTime(fd, "", hdr.ModTime)
}

// metadata does the same for a link or pipe, by name.
func (u *unpacker) metadata(dir int, base string, hdr *tar.Header) error {
	if hdr.Uid != 0 || hdr.Gid != 0 {
		err := unix.Fchownat(dir, base, hdr.Uid, hdr.Gid, unix.AT_SYMLINK_NOFOLLOW)
		if err := u.owned(err, hdr.Uid, hdr.Gid); err != nil {
			return err
		}
	}
	if hdr.Typeflag == tar.TypeFifo {
		// Nobody else writes to this directory: base is the pipe just made.
		if err := unix.Fchmodat(dir, base, uint32(hdr.Mode&0o7777), 0); err != nil {
			return os.NewSyscallError("fchmodat", err)
		}
	}
	return setTime(dir, base, hdr.ModTime)
}

// owned maps the answer of a chown: EINVAL says that the ID is not mapped.
func (u *unpacker) owned(err error, uid, gid int) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM):
		if u.opts.IgnoreChown {
			return nil
		}
		return fmt.Errorf("%d:%d: %w", uid, gid, ErrUnmapped)
	}
	return os.NewSyscallError("chown", err)
}

func setXattrs(fd int, xattrs map[string]string) error {
	for k, v := range xattrs {
		err := unix.Fsetxattr(fd, k, []byte(v), 0)
		// The file system may not have the attribute, or not for us; a layer
		// is as usable without, and the other engines decide the same.
		if err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.EPERM) {
			return fmt.Errorf("set attribute %.100q: %w", k, err)
		}
	}
	return nil
}

// setTime sets both times of base in dir, or of dir itself.
func setTime(dir int, base string, t time.Time) error {
	ts := unix.Timespec{Sec: t.Unix(), Nsec: int64(t.Nanosecond())}
	times := []unix.Timespec{ts, ts}
	flags := unix.AT_SYMLINK_NOFOLLOW
	if base == "" {
		flags = unix.AT_EMPTY_PATH
	}
	return os.NewSyscallError("utimensat", unix.UtimesNanoAt(dir, base, times, flags))
}

func (u *unpacker) finishDirs() error {
	for i := range u.dirs {
		d := &u.dirs[i]
		if err := u.finishDir(d); err != nil {
			return entryError(d.name, err)
		}
	}
	return nil
}

func (u *unpacker) finishDir(d *dirMeta) error {
	fd, err := u.open(d.name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, beneath)
	if errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOENT) {
		return nil // a later entry replaced it
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if d.uid != 0 || d.gid != 0 {
		if err := u.owned(unix.Fchown(fd, d.uid, d.gid), d.uid, d.gid); err != nil {
			return err
		}
	}
	if err := unix.Fchmod(fd, d.mode); err != nil {
		return os.NewSyscallError("fchmod", err)
	}
	if err := setXattrs(fd, d.xattrs); err != nil {
		return err
	}
	return setTime(fd, "", d.mtime)
}
