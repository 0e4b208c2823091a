package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/engine/volume"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// volumeMount mounts a volume, which holdVolumes has made this container's.
func (r *run) volumeMount(ctx context.Context, m spec.Mount, number int) (launch.Mount, error) {
	s := volumeStore(r.opts.Dirs)
	v, err := s.Get(m.Source)
	if err != nil {
		return launch.Mount{}, missingVolume(err, m.Source)
	}
	kind, err := v.Mount()
	if err != nil {
		return launch.Mount{}, err
	}
	m.ReadOnly = m.ReadOnly || kind.ReadOnly
	if kind.Type == volume.Tmpfs {
		if m.Subpath != "" || m.Overlay {
			return launch.Mount{}, fmt.Errorf("volume %s is a tmpfs: it has no parts and nothing below it", v.Name)
		}
		m.UID, m.GID = kind.UID, kind.GID
		return launch.Mount{
			Type: "tmpfs", Source: "tmpfs", Dest: m.Dest, Flags: mountFlags(m),
			Data: strings.Join(appendOwner([]string{kind.Data}, m), ","), CopyUp: !m.NoCopyUp && !kind.NoCopy,
		}, nil
	}
	if kind.Type == volume.Directory {
		if err := r.fillVolume(ctx, s, v, m, kind); err != nil {
			return launch.Mount{}, fmt.Errorf("volume %s: %w", v.Name, err)
		}
	}
	if m.Source, err = r.volumeDir(m); err != nil {
		return launch.Mount{}, err
	}
	if m.Subpath != "" {
		if m.Source, err = r.volumePart(m, number); err != nil {
			return launch.Mount{}, err
		}
	}
	return r.bindMount(m, number)
}

// volumeDir is the directory of a volume's files, "" for a tmpfs.
func (r *run) volumeDir(m spec.Mount) (string, error) {
	s := volumeStore(r.opts.Dirs)
	v, err := s.Get(m.Source)
	if err != nil {
		return "", missingVolume(err, m.Source)
	}
	kind, err := v.Mount()
	switch {
	case err != nil:
		return "", err
	case kind.Type == volume.Bind:
		return kind.Source, nil
	case kind.Type == volume.Tmpfs:
		return "", nil
	}
	return s.Data(v.Name), nil
}

// volumePart mounts a directory of a volume in the scaffold. Another container
// may write to the volume: what was found is what is mounted, whatever its name
// means by then.
func (r *run) volumePart(m spec.Mount, number int) (string, error) {
	root, err := sys.OpenDir(m.Source)
	if err != nil {
		return "", err
	}
	defer root.Close()
	f, err := sys.OpenInRootOf(root, m.Subpath, sys.OpenPathOnly)
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("subpath %s: the volume has no such file or directory", spec.Quote(m.Subpath))
	}
	if err != nil {
		return "", fmt.Errorf("subpath: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	dest := r.scaffold.path("part" + strconv.Itoa(number))
	if info.IsDir() {
		err = os.Mkdir(dest, 0o755)
	} else {
		err = os.WriteFile(dest, nil, 0o600)
	}
	if err != nil {
		return "", err
	}
	tree, err := sys.CloneTree(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), 0)
	if err != nil {
		return "", err
	}
	defer tree.Close()
	at, err := os.OpenFile(dest, sys.OpenPathOnly, 0)
	if err != nil {
		return "", err
	}
	defer at.Close()
	return dest, sys.MoveMountTo(tree, at)
}

// fillVolume gives a volume that no container has mounted yet what the image
// has in its place, and the owner and mode of that directory; else it belongs to
// the container's user (podman-run(1), docker-run(1)).
func (r *run) fillVolume(ctx context.Context, s volume.Store, v volume.Volume, m spec.Mount, kind volume.Mount) error {
	if v.Filled {
		return nil
	}
	lock, err := s.Lock(ctx, v.Name)
	if err != nil {
		return err
	}
	defer lock.Close()
	if v, err = s.Get(v.Name); err != nil || v.Filled {
		return err
	}
	data := s.Data(v.Name)
	if v.Filling { // whoever began was killed
		if err := emptyDir(data); err != nil {
			return err
		}
	}
	if empty, err := isEmpty(data); err != nil {
		return err
	} else if empty {
		v.Filling = true
		if err := s.Save(v); err != nil {
			return err
		}
		if err := r.copyUp(ctx, data, m, kind); err != nil {
			return err
		}
	}
	v.Filling, v.Filled = false, true
	return s.Save(v)
}

// copyUp copies the image's directory, with its owners as they are: those of
// this container.
func (r *run) copyUp(ctx context.Context, data string, m spec.Mount, kind volume.Mount) error {
	uid, gid := r.who.uid, r.who.gid
	if kind.UID != nil {
		uid = *kind.UID
	}
	if kind.GID != nil {
		gid = *kind.GID
	}
	source := ""
	if r.image.plan != nil {
		var err error
		if source, err = r.inRoot(m.Dest); err != nil {
			return err
		}
	}
	copied := source != "" && !m.NoCopyUp && !kind.NoCopy
	if copied {
		if err := r.copyTree(ctx, source, data); err != nil {
			return err
		}
	} else if source != "" {
		var st unix.Stat_t
		if err := unix.Stat(source, &st); err != nil {
			return &os.PathError{Op: "stat", Path: source, Err: err}
		}
		if err := os.Chown(data, int(st.Uid), int(st.Gid)); err != nil {
			return err
		}
		if err := unix.Chmod(data, st.Mode&0o7777); err != nil {
			return &os.PathError{Op: "chmod", Path: data, Err: err}
		}
	}
	if source == "" || kind.UID != nil || kind.GID != nil {
		if err := r.chownInside(data, uid, gid); err != nil {
			return err
		}
	}
	return r.relabel(data, spec.RelabelShared)
}

func (r *run) chownInside(path string, uid, gid uint32) error {
	u, uok := r.uids.Host(uid)
	g, gok := r.gids.Host(gid)
	if !uok || !gok {
		return hint.New(fmt.Errorf("owner %d:%d is not mapped into the container", uid, gid), "--user or --userns=auto:size= give it more IDs")
	}
	return os.Chown(path, int(u), int(g))
}

func (r *run) copyTree(ctx context.Context, source, dest string) error {
	same := ownerMap{uids: wholeAnchor(r.opts.UIDs), gids: wholeAnchor(r.opts.GIDs)}
	c := layerCopy{owners: same, links: map[uint64]string{}}
	var err error
	if c.src, err = sys.OpenDir(source); err != nil {
		return err
	}
	defer c.src.Close()
	if c.dst, err = sys.OpenDir(dest); err != nil {
		return err
	}
	defer c.dst.Close()
	return c.copy(ctx, source)
}

func isEmpty(dir string) (bool, error) {
	list, err := names(dir)
	return len(list) == 0, err
}

func emptyDir(dir string) error {
	list, err := names(dir)
	if err != nil {
		return err
	}
	for _, name := range list {
		if err := sys.RemoveTree(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
