package transfer

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// Writer is a sink that makes files below a directory. Directories that are
// there keep their attributes; other files are replaced in one step.
type Writer struct {
	// Base is the directory that names are relative to.
	Base *os.File
	// Own says who gets a file, in the anchor's IDs; nil leaves it to whoever
	// makes it.
	Own func(e *Entry) (uid, gid uint32, err error)
	// KeepSetID keeps the set-user-ID and set-group-ID bits. Never on the host:
	// the program would be the container's, and run with your rights.
	KeepSetID bool
	// Overwrite replaces directories by files and the other way round.
	Overwrite bool
	// Warn hears what is left out; may be nil.
	Warn func(text string)

	last     *os.File // parent of the last entry
	lastName string
	made     []madeDir
}

type madeDir struct {
	name string
	time time.Time
}

// Put makes one file.
func (w *Writer) Put(e *Entry) error {
	if e.Name == "." {
		if e.kind() != unix.S_IFDIR {
			return fmt.Errorf("%s: %w", e.Name, ErrNotDirectory)
		}
		return nil
	}
	parent, err := w.parent(path.Dir(e.Name))
	if err != nil {
		return err
	}
	base := path.Base(e.Name)
	if err := w.clear(parent, base, e); err != nil {
		return fmt.Errorf("%s: %w", e.Name, err)
	}
	switch {
	case e.Hard:
		return w.hardLink(parent, base, e)
	case e.kind() == unix.S_IFDIR:
		return w.directory(parent, base, e)
	case e.kind() == unix.S_IFREG:
		return w.regular(parent, base, e)
	case e.kind() == unix.S_IFLNK:
		return w.replace(parent, base, e, func(name string) error { return unix.Symlinkat(e.Link, int(parent.Fd()), name) })
	case e.kind() == unix.S_IFIFO:
		return w.replace(parent, base, e, func(name string) error {
			return unix.Mknodat(int(parent.Fd()), name, unix.S_IFIFO|e.Mode&0o666, 0)
		})
	}
	if w.Warn != nil {
		w.Warn(e.Name + ": a device is left out")
	}
	return nil
}

// Close sets the times of the directories, now that all is in them.
func (w *Writer) Close() error {
	defer func() {
		if w.last != nil {
			w.last.Close()
			w.last = nil
		}
	}()
	for _, d := range slices.Backward(w.made) {
		parent, err := w.parent(path.Dir(d.name))
		if err != nil {
			return err
		}
		err = unix.UtimesNanoAt(int(parent.Fd()), path.Base(d.name), times(d.time), unix.AT_SYMLINK_NOFOLLOW)
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return &os.PathError{Op: "utimensat", Path: d.name, Err: err}
		}
	}
	return nil
}

func times(t time.Time) []unix.Timespec {
	ts, err := unix.TimeToTimespec(t)
	if err != nil {
		ts = unix.Timespec{}
	}
	return []unix.Timespec{ts, ts}
}

// parent opens the directory that an entry goes into, and makes it if the
// archive did not.
func (w *Writer) parent(name string) (*os.File, error) {
	if name == "." {
		return w.Base, nil
	}
	if w.last != nil && w.lastName == name {
		return w.last, nil
	}
	f, err := sys.OpenBelow(w.Base, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if errors.Is(err, unix.ENOENT) {
		above, err := w.parent(path.Dir(name))
		if err != nil {
			return nil, err
		}
		err = w.directory(above, path.Base(name), &Entry{Name: name, Mode: unix.S_IFDIR | 0o755, Time: time.Now()})
		if err != nil {
			return nil, err
		}
		f, err = sys.OpenBelow(w.Base, name, unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	if w.last != nil {
		w.last.Close()
	}
	w.last, w.lastName = f, name
	return f, nil
}

// clear makes room for an entry where something of another kind is.
func (w *Writer) clear(parent *os.File, base string, e *Entry) error {
	var st unix.Stat_t
	err := unix.Fstatat(int(parent.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	is, wants := st.Mode&unix.S_IFMT == unix.S_IFDIR, e.kind() == unix.S_IFDIR
	switch {
	case is == wants:
		return nil
	case !w.Overwrite && is:
		return ErrDirectory
	case !w.Overwrite:
		return ErrNotDirectory
	case is:
		return removeAll(parent, base, 0)
	}
	return unix.Unlinkat(int(parent.Fd()), base, 0)
}

// removeAll deletes a directory without ever leaving it.
func removeAll(parent *os.File, base string, depth int) error {
	if depth > maxDepth {
		return ErrDepth
	}
	err := unix.Unlinkat(int(parent.Fd()), base, unix.AT_REMOVEDIR)
	switch {
	case errors.Is(err, unix.ENOTDIR):
		return unix.Unlinkat(int(parent.Fd()), base, 0)
	case !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST):
		return err
	}
	dir, err := openOne(parent, base, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := removeAll(dir, name, depth+1); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return unix.Unlinkat(int(parent.Fd()), base, unix.AT_REMOVEDIR)
}

func (w *Writer) mode(e *Entry) uint32 {
	if w.KeepSetID {
		return e.Mode & 0o7777
	}
	return e.Mode & 0o1777
}

// finish gives an open file its owner and then its mode, which chown may reduce.
func (w *Writer) finish(f *os.File, e *Entry) error {
	if w.Own != nil {
		uid, gid, err := w.Own(e)
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		if err := unix.Fchown(int(f.Fd()), int(uid), int(gid)); err != nil {
			return &os.PathError{Op: "chown", Path: e.Name, Err: err}
		}
	}
	if err := unix.Fchmod(int(f.Fd()), w.mode(e)); err != nil {
		return &os.PathError{Op: "chmod", Path: e.Name, Err: err}
	}
	return nil
}

func (w *Writer) directory(parent *os.File, base string, e *Entry) error {
	err := unix.Mkdirat(int(parent.Fd()), base, 0o700)
	if errors.Is(err, unix.EEXIST) {
		return nil // it is a directory, or the next one to open it says so
	}
	if err != nil {
		return &os.PathError{Op: "mkdir", Path: e.Name, Err: err}
	}
	f, err := openOne(parent, base, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer f.Close()
	w.made = append(w.made, madeDir{e.Name, e.Time})
	return w.finish(f, e)
}

// nameOf is how an entry is called in a message.
func nameOf(name string) string { return strings.TrimPrefix(name, "./") }
