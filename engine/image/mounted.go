package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// viewer is a process that an image is mounted for.
type viewer struct {
	pid  int
	name string
}

// viewers returns a process of each mount namespace that the image is mounted
// in. It looks at all processes only if there is a directory that the image was
// once mounted on.
func (s *Store) viewers(id string) ([]viewer, error) {
	at := filepath.Join(s.mountsDir(), id)
	if _, err := os.Lstat(at); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("look for mounts of image %.12s: %w", id, err)
	}
	own, err := os.Readlink("/proc/self/ns/user")
	if err != nil {
		return nil, fmt.Errorf("look for mounts of image %.12s: %w", id, err)
	}
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("look for mounts of image %.12s: %w", id, err)
	}
	var out []viewer
	seen := map[string]bool{}
	for _, p := range processes {
		pid, err := strconv.Atoi(p.Name())
		if err != nil || ourOwn(pid) {
			continue
		}
		user, uerr := os.Readlink(filepath.Join("/proc", p.Name(), "ns/user"))
		mounts, merr := os.Readlink(filepath.Join("/proc", p.Name(), "ns/mnt"))
		if uerr != nil || merr != nil || user != own || seen[mounts] {
			continue // gone, somebody else's, or a container's
		}
		seen[mounts] = true
		list, err := s.Mounts(pid)
		if err != nil {
			continue // gone
		}
		if slices.ContainsFunc(list, func(m Mounted) bool { return m.ID == id }) {
			name, _ := os.ReadFile(filepath.Join("/proc", p.Name(), "comm"))
			out = append(out, viewer{pid, strings.TrimSpace(string(name))})
		}
	}
	return out, nil
}

// ourOwn says that a process is Burrow's: one that was started in a shell of
// burrow unshare has a copy of its mounts, which nobody looks at.
func ourOwn(pid int) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return true // gone, a kernel thread, or somebody else's
	}
	switch filepath.Base(strings.TrimSuffix(exe, " (deleted)")) {
	case "burrow", "burrow-image":
		return true
	}
	return false
}

// unmounted fails if the image is mounted: its files would vanish under whoever
// looks at them. With force it is unmounted, wherever that is.
func (s *Store) unmounted(id, ref string, force bool) error {
	by, err := s.viewers(id)
	if err != nil {
		return err
	}
	if len(by) > 0 && !force {
		return hint.New(fmt.Errorf("%w: %.12s is mounted for process %d (%s)", ErrInUse, id, by[0].pid, by[0].name), "burrow image unmount "+ref)
	}
	for _, v := range by {
		err := inView(v.pid, func() error { return sys.UnmountDetach(filepath.Join(s.mountsDir(), id)) })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("unmount image %.12s for process %d: %w", id, v.pid, err)
		}
	}
	// What is still mounted there is mounted for nobody; it goes with the
	// directory (rmdir(2), Linux 3.18).
	if err := os.Remove(filepath.Join(s.mountsDir(), id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("unmount image %.12s: %w", id, err)
	}
	return nil
}
