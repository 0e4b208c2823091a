package transfer

import (
	"errors"
	"os"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// Root resolves the paths that somebody typed.
type Root struct {
	// Dir is the root that links stay in, a container's; nil is the caller's own.
	Dir *os.File
	// Cwd is where relative paths of the caller begin.
	Cwd string
}

// Found is what a path stands for after all links have been followed.
type Found struct {
	// Dir is the directory, if it is one.
	Dir *os.File
	// Parent and Base are where it is, or would be; nil if Dir was named by
	// something like "." that has no name.
	Parent *os.File
	Base   string
	// Mode is 0 if there is nothing.
	Mode uint32
}

// Close closes what is open.
func (f Found) Close() {
	for _, c := range []*os.File{f.Dir, f.Parent} {
		if c != nil {
			c.Close()
		}
	}
}

// Exists says that there is something.
func (f Found) Exists() bool { return f.Mode != 0 }

func (r Root) open(name string, flags int) (*os.File, error) {
	if r.Dir != nil {
		return sys.OpenInRootOf(r.Dir, name, flags)
	}
	return os.OpenFile(r.Absolute(name), flags|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
}

// Absolute is a path of the caller's from the root on.
func (r Root) Absolute(name string) string {
	if path.IsAbs(name) {
		return name
	}
	return r.Cwd + "/" + name // not cleaned: "link/.." is another directory
}

const maxLinks = 40 // as the kernel's

// Find resolves name. What is missing is no error as long as its directory is there.
func (r Root) Find(name string) (Found, error) {
	typed := name
	for range maxLinks {
		slash := strings.HasSuffix(name, "/")
		trimmed := strings.TrimRight(name, "/")
		dir, base := path.Split(trimmed)
		if base == "" || base == "." || base == ".." {
			f, err := r.open(orDot(name), unix.O_RDONLY|unix.O_DIRECTORY)
			if err != nil {
				return Found{}, renamed(err, typed)
			}
			return Found{Dir: f, Mode: unix.S_IFDIR}, nil
		}
		parent, err := r.open(orDot(dir), unix.O_RDONLY|unix.O_DIRECTORY)
		if err != nil {
			return Found{}, renamed(err, typed)
		}
		found, link, err := look(parent, base, slash)
		if err != nil {
			parent.Close()
			return Found{}, renamed(err, typed)
		}
		if link == "" {
			return found, nil
		}
		parent.Close()
		if path.IsAbs(link) {
			name = link
		} else {
			name = dir + link
		}
		if slash {
			name += "/"
		}
	}
	return Found{}, &os.PathError{Op: "open", Path: typed, Err: unix.ELOOP}
}

func orDot(name string) string {
	if name == "" {
		return "."
	}
	return name
}

// look says what parent has as base, or where it links to.
func look(parent *os.File, base string, slash bool) (found Found, link string, err error) {
	var st unix.Stat_t
	err = unix.Fstatat(int(parent.Fd()), base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return Found{Parent: parent, Base: base}, "", nil
	}
	if err != nil {
		return Found{}, "", err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		link, err = readlink(parent, base)
		return Found{}, link, err
	case unix.S_IFDIR:
		dir, err := openOne(parent, base, unix.O_RDONLY|unix.O_DIRECTORY)
		return Found{Dir: dir, Parent: parent, Base: base, Mode: st.Mode}, "", err
	}
	if slash {
		return Found{}, "", unix.ENOTDIR
	}
	return Found{Parent: parent, Base: base, Mode: st.Mode}, "", nil
}

// renamed makes an error about the path that was typed.
func renamed(err error, typed string) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return &os.PathError{Op: "open", Path: typed, Err: errno}
	}
	return err
}
