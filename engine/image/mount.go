package image

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/sys"
)

// An image is mounted where the caller can see it and nobody else: in the mount
// namespace of the shell of `burrow unshare` that he calls from, with which it
// goes. It is mounted read-only: layers must stay what they are.

// ErrOutside means that the caller is in no namespace that an image can be
// mounted in.
var ErrOutside = errors.New("an image's files belong to your sub-IDs, which you are only in the anchor")

// Mounted is an image that is mounted.
type Mounted struct {
	ID, Path string
	Digests  []string
	Names    []string
}

// mountsDir is where images are mounted, a directory for each.
func (s *Store) mountsDir() string { return filepath.Join(s.dirs.Run, "images") }

// viewOf opens the mount namespace of the process pid, if that is in our user
// namespace.
func viewOf(pid int) (mounts *os.File, err error) {
	ids := make([]sys.NamespaceID, 2)
	for i, proc := range []string{"self", fmt.Sprint(pid)} {
		f, err := os.Open(filepath.Join("/proc", proc, "ns/user"))
		if err != nil {
			return nil, ErrOutside
		}
		ids[i], err = sys.NamespaceIDOf(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
	if ids[0] != ids[1] {
		return nil, ErrOutside
	}
	return os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
}

// inView runs fn on a thread that is in the mount namespace of the process
// pid. The thread ends with it: it has another root directory now.
func inView(pid int, fn func() error) error {
	ns, err := viewOf(pid)
	if err != nil {
		return err
	}
	defer ns.Close()
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := sys.JoinMounts(ns)
		if err == nil {
			err = fn()
		}
		done <- err
	}()
	return <-done
}

// Mount mounts images in the mount namespace of the process viewer and returns
// where. One that is mounted there stays where it is.
func (s *Store) Mount(ctx context.Context, refs []string, viewer int) ([]Mounted, error) {
	var out []Mounted
	have, err := s.Mounts(viewer)
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		f, err := s.lookupImage(ref)
		if err != nil {
			return out, err
		}
		if i := slices.IndexFunc(have, func(m Mounted) bool { return m.ID == f.img.ID }); i >= 0 {
			out = append(out, have[i])
			continue
		}
		p, err := s.planOf(ctx, f)
		if err != nil {
			return out, err
		}
		m := Mounted{ID: p.ID, Path: filepath.Join(s.mountsDir(), p.ID), Digests: []string{p.Digest}, Names: p.Names}
		err = s.exclusive(ctx, func() error {
			if _, err := s.lookupImage(p.ID); err != nil { // removed meanwhile
				return err
			}
			return inView(viewer, func() error { return s.mount(m.Path, p.Layers) })
		})
		if err != nil {
			return out, fmt.Errorf("mount image %s: %w", ref, err)
		}
		out = append(out, m)
	}
	return out, nil
}

// mount mounts layers, topmost first. They are named by descriptors, because
// mount(2) takes one page of options; and overlay wants two at least.
func (s *Store) mount(at string, layers []string) error {
	empty := filepath.Join(s.mountsDir(), "empty")
	for _, d := range []string{at, empty} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	lower := make([]string, 0, len(layers)+1)
	for _, dir := range append(slices.Clone(layers), empty) {
		f, err := os.OpenFile(dir, sys.OpenPathOnly, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		lower = append(lower, fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	}
	return sys.Mount("overlay", at, "overlay", sys.MountReadOnly|sys.MountNoSUID|sys.MountNoDev, "userxattr,lowerdir="+strings.Join(lower, ":"))
}

// Mounts lists the images that are mounted where the process viewer is.
func (s *Store) Mounts(viewer int) ([]Mounted, error) {
	ns, err := viewOf(viewer)
	if err != nil {
		return nil, err
	}
	_ = ns.Close()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", viewer))
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	var out []Mounted
	for sc := bufio.NewScanner(bytes.NewReader(b)); sc.Scan(); {
		fields := strings.Fields(sc.Text())
		if len(fields) < 5 {
			continue
		}
		dir, id := filepath.Split(unescape(fields[4]))
		if filepath.Clean(dir) != s.mountsDir() {
			continue
		}
		m := Mounted{ID: id, Path: filepath.Join(dir, id)}
		if p, err := plan.Read(s.dirs, id); err == nil {
			m.Digests, m.Names = []string{p.Digest}, p.Names
		}
		out = append(out, m)
	}
	return out, nil
}

// unescape undoes what the kernel does to names (proc_pid_mountinfo(5)).
func unescape(name string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(name)
}

// Unmount undoes Mount for the images refs, or all where the process viewer
// is. It returns the IDs of those that were mounted.
func (s *Store) Unmount(refs []string, all bool, viewer int) ([]string, error) {
	have, err := s.Mounts(viewer)
	if err != nil {
		return nil, err
	}
	var ids, out []string
	for _, ref := range refs {
		f, err := s.lookupImage(ref)
		if err != nil {
			return nil, err
		}
		ids = append(ids, f.img.ID)
	}
	for _, m := range have {
		if !all && !slices.Contains(ids, m.ID) {
			continue
		}
		// The directory stays: its removal would take away what other shells
		// have mounted on it.
		err := inView(viewer, func() error { return sys.UnmountDetach(m.Path) })
		if err != nil {
			return out, fmt.Errorf("unmount image %.12s: %w", m.ID, err)
		}
		out = append(out, m.ID)
	}
	return out, nil
}
