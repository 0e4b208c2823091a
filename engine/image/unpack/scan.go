package unpack

import (
	"errors"
	"fmt"
	"os"
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
