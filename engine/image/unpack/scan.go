package unpack

import (
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Owned is an entry of a layer whose owner is not 0:0.
type Owned struct {
	Path string `json:"path"` // absolute inside the layer, clean
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
	Mode uint32 `json:"mode"` // st_mode
	Size int64  `json:"size,omitempty"`
	Link string `json:"link,omitempty"` // a symbolic link's target
	Ino  uint64 `json:"ino,omitempty"`  // set if there are hard links to it
}

// Scan walks the directory and returns what is owned by others than 0:0,
// parents before children. It follows no link and crosses no mount.
func Scan(root *os.File) ([]Owned, error) {
	defer runtime.KeepAlive(root) // the walk has but its number
	var st unix.Stat_t
	if err := unix.Fstat(int(root.Fd()), &st); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	s := &scanner{dev: st.Dev, buf: make([]byte, 64<<10)}
	if err := s.note(-1, "", "/", &st); err != nil {
		return nil, err
	}
	if err := s.walk(int(root.Fd()), "."); err != nil {
		return nil, err
	}
	slices.SortFunc(s.found, func(a, b Owned) int { return strings.Compare(a.Path, b.Path) })
	return s.found, nil
}

// maxForeign is how many names are remembered before it is simpler to walk.
const maxForeign = 1 << 13

// mayBeForeign remembers an entry whose owner is perhaps not 0:0. linked says that
// its name is not the one a walk would find it by.
func (u *unpacker) mayBeForeign(name string, linked bool) {
	switch {
	case !u.opts.Owned || u.walk:
	case linked || len(u.foreign) == maxForeign:
		u.walk, u.foreign = true, nil
	default:
		u.foreign = append(u.foreign, name)
	}
}

// scan is what [Scan] would return, of the few names that can be in it.
func (u *unpacker) scan(root *os.File) ([]Owned, error) {
	var st unix.Stat_t
	if err := unix.Fstat(u.root, &st); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	s := &scanner{dev: st.Dev}
	if err := s.note(-1, "", "/", &st); err != nil {
		return nil, err
	}
	slices.Sort(u.foreign)
	for _, name := range slices.Compact(u.foreign) {
		if u.walk {
			break
		}
		if err := u.look(s, name); err != nil {
			return nil, err
		}
	}
	if u.walk {
		return Scan(root)
	}
	slices.SortFunc(s.found, func(a, b Owned) int { return strings.Compare(a.Path, b.Path) })
	return s.found, nil
}

// look has s note what name is by now: it may be another thing than the entry
// made, or nothing.
func (u *unpacker) look(s *scanner, name string) error {
	dir, err := u.open(path.Dir(name), unix.O_PATH|unix.O_DIRECTORY, strict)
	switch {
	case errors.Is(err, unix.ELOOP): // a link took the place of a directory
		u.walk = true
		return nil
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		return nil
	case err != nil:
		return fmt.Errorf("scan layer: open %q: %w", path.Dir(name), err)
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	err = unix.Fstatat(dir, path.Base(name), &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("scan layer: stat %q: %w", name, err)
	}
	if isWhiteout(&st) {
		return nil
	}
	return s.note(dir, path.Base(name), "/"+name, &st)
}

type scanner struct {
	dev   uint64
	buf   []byte
	found []Owned
	path  []byte
}

func (s *scanner) walk(at int, name string) error {
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("scan layer: open %q: %w", string(s.path), err)
	}
	defer unix.Close(fd)
	names, err := s.names(fd)
	if err != nil {
		return fmt.Errorf("scan layer: read %q: %w", string(s.path), err)
	}
	for _, n := range names {
		if err := s.child(fd, n); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) names(fd int) ([]string, error) {
	var names []string
	for {
		n, err := unix.ReadDirent(fd, s.buf)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return names, err
		}
		_, _, names = unix.ParseDirent(s.buf[:n], -1, names)
	}
}

func (s *scanner) child(dir int, name string) error {
	keep := len(s.path)
	defer func() { s.path = s.path[:keep] }()
	s.path = append(append(s.path, '/'), name...)
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("scan layer: stat %q: %w", string(s.path), err)
	}
	if st.Dev != s.dev || isWhiteout(&st) {
		return nil
	}
	if err := s.note(dir, name, string(s.path), &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return s.walk(dir, name)
	}
	return nil
}

func (s *scanner) note(dir int, name, path string, st *unix.Stat_t) error {
	if st.Uid == 0 && st.Gid == 0 {
		return nil
	}
	o := Owned{Path: path, UID: st.Uid, GID: st.Gid, Mode: st.Mode}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		o.Size = st.Size
	case unix.S_IFLNK:
		buf := make([]byte, unix.PathMax)
		n, err := unix.Readlinkat(dir, name, buf)
		if err != nil {
			return fmt.Errorf("scan layer: read link %q: %w", path, err)
		}
		o.Link = string(buf[:n])
	}
	if st.Nlink > 1 && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		o.Ino = st.Ino
	}
	s.found = append(s.found, o)
	return nil
}
