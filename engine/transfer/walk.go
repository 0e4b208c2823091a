package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Walker turns a directory into entries. Use it once.
type Walker struct {
	// Owners of the tree; nil leaves the IDs as they are.
	Owners *Owners
	// Skip says what to leave out, with all that is below.
	Skip func(name string) bool
	// Layer says that the tree is the upper directory of an overlay: whiteouts
	// and opaque directories become what a layer of an image has for them.
	Layer bool
	// Xattrs takes along the extended attributes that an image has.
	Xattrs bool
	// Into is where the entries go, if that is a directory: it must not be
	// inside what is walked.
	Into *os.File
	// Warn hears what is left out; may be nil.
	Warn func(text string)

	links map[inode]string
	into  inode
	holes holes
}

type inode struct{ dev, ino uint64 }

func inodeOf(st *unix.Stat_t) inode { return inode{st.Dev, st.Ino} }

// Walk sends dir and all that is below it to the sink; top is dir's own name there.
func (w *Walker) Walk(ctx context.Context, dir *os.File, top string, to Sink) error {
	if err := w.begin(); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return &os.PathError{Op: "fstat", Path: dir.Name(), Err: err}
	}
	return w.directory(ctx, dir, &st, top, to, 0)
}

// File sends what parent has as base, of whatever kind, under another name.
func (w *Walker) File(ctx context.Context, parent *os.File, base, name string, to Sink) error {
	if err := w.begin(); err != nil {
		return err
	}
	return w.entry(ctx, parent, base, name, to, 0)
}

func (w *Walker) begin() error {
	w.links = map[inode]string{}
	if w.Into == nil {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(w.Into.Fd()), &st); err != nil {
		return &os.PathError{Op: "fstat", Path: w.Into.Name(), Err: err}
	}
	w.into = inodeOf(&st)
	return nil
}

func (w *Walker) entry(ctx context.Context, parent *os.File, base, name string, to Sink, depth int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.Skip != nil && w.Skip(name) {
		return nil
	}
	var st unix.Stat_t
	err := unix.Fstatat(int(parent.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) && depth > 0 {
		return nil // removed since the directory was read
	}
	if err != nil {
		return &os.PathError{Op: "lstat", Path: name, Err: err}
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		f, err := openOne(parent, base, unix.O_RDONLY|unix.O_DIRECTORY)
		if gone(err) && depth > 0 {
			return nil
		}
		if err != nil {
			return err
		}
		defer f.Close()
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			return &os.PathError{Op: "fstat", Path: name, Err: err}
		}
		return w.directory(ctx, f, &st, name, to, depth)
	case unix.S_IFREG:
		return w.regular(parent, base, name, to, depth)
	case unix.S_IFLNK:
		return w.symlink(parent, base, name, &st, to)
	case unix.S_IFSOCK:
		w.warn(name + ": a socket is left out")
		return nil
	}
	if w.Layer && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0 {
		return w.whiteout(name, &st, to)
	}
	return to.Put(w.make(name, &st))
}

// gone says that a name is not any more what it was a moment ago.
func gone(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

// openOne opens what a directory has by one name, without following a link.
func openOne(parent *os.File, base string, flags int) (*os.File, error) {
	fd, err := unix.Openat(int(parent.Fd()), base, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path.Join(parent.Name(), base), Err: err}
	}
	return os.NewFile(uintptr(fd), path.Join(parent.Name(), base)), nil
}

func (w *Walker) make(name string, st *unix.Stat_t) *Entry {
	e := &Entry{
		Name: name, Mode: st.Mode, UID: st.Uid, GID: st.Gid, Rdev: st.Rdev,
		Time: time.Unix(st.Mtim.Unix()),
	}
	if w.Owners != nil {
		e.UID, e.GID = w.Owners.inner(st.Uid, st.Gid)
	}
	return e
}

func (w *Walker) directory(ctx context.Context, dir *os.File, st *unix.Stat_t, name string, to Sink, depth int) error {
	switch {
	case depth > maxDepth:
		return fmt.Errorf("%.60s…: %w: more than %d", name, ErrDepth, maxDepth)
	case w.Into != nil && inodeOf(st) == w.into:
		return fmt.Errorf("%s: %w", name, ErrInside)
	}
	e := w.make(name, st)
	if w.Xattrs {
		e.Xattrs = readXattrs(dir)
	}
	if err := to.Put(e); err != nil {
		return err
	}
	if w.Layer && isOpaque(dir) {
		if err := w.opaque(name, st, to); err != nil {
			return err
		}
	}
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, base := range names {
		if err := w.entry(ctx, dir, base, path.Join(name, base), to, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (w *Walker) regular(parent *os.File, base, name string, to Sink, depth int) error {
	f, err := openOne(parent, base, unix.O_RDONLY)
	if gone(err) && depth > 0 {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return &os.PathError{Op: "fstat", Path: name, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return fmt.Errorf("%s: %w", name, ErrSpecial) // exchanged since we looked
	}
	e := w.make(name, &st)
	if first, ok := w.links[inodeOf(&st)]; ok && st.Nlink > 1 {
		e.Link, e.Hard = first, true
		return to.Put(e)
	}
	if st.Nlink > 1 {
		w.links[inodeOf(&st)] = name
	}
	if err := w.holes.add(&st); w.Layer && err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if w.Xattrs {
		e.Xattrs = readXattrs(f)
	}
	e.Size, e.Body = st.Size, f
	if st.Size == 0 {
		b, err := unannounced(f)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		e.Size, e.Body = int64(len(b)), bytes.NewReader(b)
	}
	return to.Put(e)
}

// maxUnannounced bounds what is read of a file that says it is empty, as those
// of procfs do.
const maxUnannounced = 4 << 20

var errEndless = errors.New("it says it is empty and has more than 4 MiB")

// unannounced reads without waiting for what may never come.
func unannounced(f *os.File) ([]byte, error) {
	var out []byte
	buf := make([]byte, 32<<10)
	if err := unix.SetNonblock(int(f.Fd()), true); err != nil {
		return nil, err
	}
	for len(out) <= maxUnannounced {
		n, err := unix.Read(int(f.Fd()), buf)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN), err == nil && n == 0:
			return out, nil
		case err != nil:
			return nil, err
		}
		out = append(out, buf[:n]...)
	}
	return nil, errEndless
}

func (w *Walker) symlink(parent *os.File, base, name string, st *unix.Stat_t, to Sink) error {
	target, err := readlink(parent, base)
	if err != nil {
		return err
	}
	e := w.make(name, st)
	e.Link = target
	return to.Put(e)
}

func readlink(parent *os.File, base string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(int(parent.Fd()), base, buf)
	if err != nil {
		return "", &os.PathError{Op: "readlink", Path: path.Join(parent.Name(), base), Err: err}
	}
	return string(buf[:n]), nil
}

func (w *Walker) warn(text string) {
	if w.Warn != nil {
		w.Warn(text)
	}
}

// limited is what may be read of a body: no more than was announced.
func (e *Entry) limited() io.Reader { return io.LimitReader(e.Body, e.Size) }
