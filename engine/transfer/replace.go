package transfer

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// temporary is a name for a file that is not complete yet.
func temporary() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return ".burrow-cp-" + hex.EncodeToString(b[:])
}

func (w *Writer) regular(parent *os.File, base string, e *Entry) error {
	f, tmp, err := create(parent, e.Name)
	if err != nil {
		return err
	}
	err = w.fill(f, e)
	if err == nil {
		err = w.finish(f, e)
	}
	self := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	if err == nil {
		err = pathError("utimensat", e.Name, unix.UtimesNanoAt(unix.AT_FDCWD, self, times(e.Time), 0))
	}
	if err == nil && tmp == "" {
		tmp = temporary()
		err = pathError("link", e.Name, unix.Linkat(unix.AT_FDCWD, self, int(parent.Fd()), tmp, unix.AT_SYMLINK_FOLLOW))
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = w.swap(parent, tmp, base, e)
	}
	if err != nil && tmp != "" {
		_ = unix.Unlinkat(int(parent.Fd()), tmp, 0)
	}
	return err
}

// create makes a file without a name, so that nothing of it is left if we are
// killed, or with a temporary one where the file system does not know the first
// (O_TMPFILE; overlay has it since Linux 6.1).
func create(parent *os.File, name string) (f *os.File, tmp string, err error) {
	fd, err := unix.Openat(int(parent.Fd()), ".", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o600)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EINVAL) {
		tmp = temporary()
		fd, err = unix.Openat(int(parent.Fd()), tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	}
	if err != nil {
		return nil, "", &os.PathError{Op: "create", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), tmp, nil
}

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: name, Err: err}
}

// swap puts the finished file in its place. A file that is a mount point, as
// /etc/hosts is, cannot be replaced; its content can.
func (w *Writer) swap(parent *os.File, tmp, base string, e *Entry) error {
	err := unix.Renameat(int(parent.Fd()), tmp, int(parent.Fd()), base)
	if !errors.Is(err, unix.EBUSY) {
		return pathError("rename", e.Name, err)
	}
	in, err := openOne(parent, tmp, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := openOne(parent, base, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer out.Close()
	if info, err := out.Stat(); err != nil || !info.Mode().IsRegular() {
		return fmt.Errorf("%s: %w", e.Name, ErrSpecial)
	}
	if err := out.Truncate(0); err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	_ = unix.Unlinkat(int(parent.Fd()), tmp, 0)
	return out.Close()
}

// replace makes what has no content under a temporary name and moves it into place.
func (w *Writer) replace(parent *os.File, base string, e *Entry, create func(name string) error) error {
	tmp := temporary()
	if err := create(tmp); err != nil {
		return &os.PathError{Op: "create", Path: e.Name, Err: err}
	}
	err := w.ownName(parent, tmp, e)
	if err == nil {
		err = pathError("utimensat", e.Name, unix.UtimesNanoAt(int(parent.Fd()), tmp, times(e.Time), unix.AT_SYMLINK_NOFOLLOW))
	}
	if err == nil {
		err = pathError("rename", e.Name, unix.Renameat(int(parent.Fd()), tmp, int(parent.Fd()), base))
	}
	if err != nil {
		_ = unix.Unlinkat(int(parent.Fd()), tmp, 0)
	}
	return err
}

func (w *Writer) ownName(parent *os.File, name string, e *Entry) error {
	if w.Own == nil {
		return nil
	}
	uid, gid, err := w.Own(e)
	if err != nil {
		return fmt.Errorf("%s: %w", e.Name, err)
	}
	return pathError("lchown", e.Name, unix.Fchownat(int(parent.Fd()), name, int(uid), int(gid), unix.AT_SYMLINK_NOFOLLOW))
}

// hardLink links to an earlier entry of the same stream.
func (w *Writer) hardLink(parent *os.File, base string, e *Entry) error {
	old := w.Base
	if dir := path.Dir(e.Link); dir != "." {
		f, err := sys.OpenBelow(w.Base, dir, unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		defer f.Close()
		old = f
	}
	tmp := temporary()
	err := unix.Linkat(int(old.Fd()), path.Base(e.Link), int(parent.Fd()), tmp, 0)
	if err != nil {
		return &os.LinkError{Op: "link", Old: e.Link, New: e.Name, Err: err}
	}
	// rename(2) of two names of one file does nothing: the temporary one stays.
	err = unix.Renameat(int(parent.Fd()), tmp, int(parent.Fd()), base)
	if e2 := unix.Unlinkat(int(parent.Fd()), tmp, 0); e2 != nil && !errors.Is(e2, unix.ENOENT) && err == nil {
		err = e2
	}
	return pathError("rename", e.Name, err)
}
