package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/engine/transfer"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/sys"
)

// view is a container's root filesystem as somebody outside of it uses it.
type view struct {
	rec    Record
	root   *os.File
	owners transfer.Owners
	undo   []func()
}

func (v *view) close() {
	if v.root != nil {
		v.root.Close()
	}
	for _, f := range slices.Backward(v.undo) {
		f()
	}
}

// ErrNoLayer means that a container has no writable layer of its own.
var ErrNoLayer = errors.New("it has no writable layer of its own")

// liveView is the root of a running container, with all that is mounted there,
// as its first process sees it.
func liveView(rec Record) (*view, error) {
	if err := rec.reachable(); err != nil {
		return nil, fmt.Errorf("root of container %w", err)
	}
	root, err := sys.OpenDir(fmt.Sprintf("/proc/%d/root", rec.PID))
	if err == nil && !rec.Running() {
		root.Close()
		err = ErrNotRunning // its pid may have been another process's already
	}
	if err != nil {
		return nil, fmt.Errorf("root of container %s: %w", rec.Name, err)
	}
	return &view{rec: rec, root: root, owners: transfer.Owners{UIDs: rec.UIDMap, GIDs: rec.GIDMap}}, nil
}

// reader is what looks at a container that it does not run. The caller is in a
// mount namespace of its own; keep are paths that must stay visible.
func reader(ctx context.Context, rec Record, o Options, keep ...string) (*run, error) {
	r := &run{spec: rec.Spec, opts: o}
	r.attachTo(rec)
	if rec.Spec.Host {
		return nil, fmt.Errorf("container %s: %w: its root is the host's", rec.Name, ErrNoLayer)
	}
	if err := r.findImage(ctx); err != nil {
		return nil, err
	}
	r.uids, r.gids = rec.UIDMap, rec.GIDMap
	switch rec.Userns {
	case idmap.Host.String():
		r.mode.Kind = idmap.Host
	case idmap.Explicit.String():
		r.mode.Kind = idmap.Explicit
	}
	if rec.neverStarted() { // it has no sub-IDs: the image's IDs are the anchor's
		r.uids, r.gids = wholeAnchor(o.UIDs), wholeAnchor(o.GIDs)
		r.mode.Kind = idmap.Host
	}
	var err error
	r.scaffold, err = newScaffold(append(r.busyPaths(), keep...), "")
	return r, err
}

// neverStarted says that a container has no IDs yet.
func (r Record) neverStarted() bool { return len(r.UIDMap) == 0 }

// attachTo is adopt for somebody who changes nothing.
func (r *run) attachTo(rec Record) {
	r.id, r.name, r.record = rec.ID, rec.Name, rec
	r.dir = filepath.Join(r.opts.Dirs.Containers(), rec.ID)
	if rec.ImageID != "" {
		r.spec.Image, r.spec.Pull.Policy = rec.ImageID, spec.PullNever
	}
}

// busyPaths are those that the scaffold must not hide.
func (r *run) busyPaths() []string {
	d := r.opts.Dirs
	out := []string{d.Data, d.State, d.Cache, d.Run, r.opts.Cwd}
	for _, m := range r.spec.Mounts {
		if m.Source != "" {
			out = append(out, m.Source)
		}
	}
	if r.spec.Rootfs != nil {
		out = append(out, r.spec.Rootfs.Dir)
	}
	return out
}

// lower are the layers below the writable one, topmost first, with the owners
// that the container gives them.
func (r *run) lower(ctx context.Context) ([]string, error) {
	if r.spec.Rootfs != nil {
		return []string{r.spec.Rootfs.Dir}, nil
	}
	return r.shifted(ctx)
}

func (r *run) upper() string { return filepath.Join(r.dir, "upper") }

// hasUpper says whether there is a writable layer; a container that was never
// started has none yet.
func (r *run) hasUpper() bool {
	info, err := os.Lstat(r.upper())
	return err == nil && info.IsDir()
}

// still mounts directories, topmost first, read-only at the scaffold's root.
func (r *run) still(layers []string) (*os.File, error) {
	for _, name := range []string{"empty1", "empty2"} { // overlay wants two at least
		dir := r.scaffold.path(name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			return nil, err
		}
		layers = append(slices.Clip(layers), dir)
	}
	if err := mountOverlay(r.scaffold, layers, "", "", false); err != nil {
		return nil, err
	}
	return sys.OpenDir(r.scaffold.root())
}

// stillView is a container's root without what is mounted in it, read-only. It
// may be that of a running one: then it is what a power failure would leave.
func stillView(ctx context.Context, rec Record, o Options, keep ...string) (*view, *run, error) {
	r, err := reader(ctx, rec, o, keep...)
	if err != nil {
		return nil, nil, err
	}
	v := &view{rec: rec, owners: transfer.Owners{UIDs: r.uids, GIDs: r.gids}}
	if r.spec.Rootfs != nil && !r.spec.Rootfs.Overlay {
		v.root, err = sys.OpenDir(r.spec.Rootfs.Dir)
		return v, r, err
	}
	layers, err := r.lower(ctx)
	if err != nil {
		return nil, nil, err
	}
	if r.hasUpper() {
		layers = append([]string{r.upper()}, layers...)
	}
	if v.root, err = r.still(layers); err != nil {
		return nil, nil, err
	}
	return v, r, nil
}

// workView is the root of a container that does not run, to be written to, with
// its volumes. Nobody can start or remove the container meanwhile.
func workView(ctx context.Context, rec Record, o Options, keep ...string) (v *view, err error) {
	hold, err := awaitClaim(ctx, rec.dir, claimPatience)
	if err != nil {
		return nil, fmt.Errorf("container %s: %w", rec.Name, err)
	}
	v = &view{undo: []func(){func() { hold.Close() }}}
	defer func() {
		if err != nil {
			v.close()
		}
	}()
	if rec, err = LoadRecord(rec.dir); err != nil { // whoever had it has written since
		return v, err
	}
	r, err := reader(ctx, rec, o, keep...)
	if err != nil {
		return v, err
	}
	v.undo = append(v.undo, r.cleanUp)
	if rec.neverStarted() {
		if err := r.takeFirstIDs(ctx); err != nil {
			return v, err
		}
	}
	if err := r.mountForWork(ctx); err != nil {
		return v, err
	}
	if rec.neverStarted() { // else the record says who
		if err := r.findUser(ctx); err != nil {
			return v, err
		}
		r.record.UID, r.record.GID = r.who.uid, r.who.gid
		if err := saveRecord(r.dir, r.record); err != nil {
			return v, err
		}
	}
	v.rec, v.owners = r.record, transfer.Owners{UIDs: r.uids, GIDs: r.gids}
	v.root, err = sys.OpenDir(r.scaffold.root())
	if err == nil {
		err = r.showVolumes(v.root, true)
	}
	return v, err
}

// takeFirstIDs gives a container its IDs before it starts for the first time.
// They are recorded: should it get others then, its files go with it.
func (r *run) takeFirstIDs(ctx context.Context) error {
	r.uids, r.gids, r.mode = nil, nil, idmap.Mode{}
	if err := r.parseUserns(); err != nil {
		return err
	}
	if err := r.takeSlice(ctx); err != nil {
		return err
	}
	r.record.UIDMap, r.record.GIDMap = r.uids, r.gids
	if r.slice != nil {
		r.record.Slice, r.record.SliceRef = r.slice.Ref.String(), &r.slice.Ref
	}
	return saveRecord(r.dir, r.record)
}

func (r *run) mountForWork(ctx context.Context) error {
	if r.spec.Rootfs != nil {
		return r.mountDirectory()
	}
	layers, err := r.lower(ctx)
	if err != nil {
		return err
	}
	if len(layers) == 0 {
		empty := r.scaffold.path("empty")
		if err := os.Mkdir(empty, 0o755); err != nil {
			return err
		}
		layers = []string{empty}
	}
	r.spec.Remove = false // these changes shall reach the disk
	return r.overlay(layers)
}

// showVolumes mounts the caller's directories where the container has them. In a
// tree that only an image has written, nothing moves meanwhile; links in it are
// followed inside of it.
func (r *run) showVolumes(root *os.File, write bool) error {
	mounts := slices.Clone(r.spec.Mounts)
	slices.SortStableFunc(mounts, func(a, b spec.Mount) int {
		return strings.Count(a.Dest, "/") - strings.Count(b.Dest, "/")
	})
	for _, m := range mounts {
		switch {
		case m.Overlay:
			continue
		case m.Type == spec.MountArtifact:
			if err := r.showArtifact(root, m); err != nil {
				return fmt.Errorf("mount %s: %w", m.Dest, err)
			}
			continue
		case m.Type == spec.MountVolume:
			source, err := r.volumeDir(m)
			if err != nil {
				return fmt.Errorf("mount %s: %w", m.Dest, err)
			}
			if source == "" {
				continue // a tmpfs, which is gone
			}
			m.Source = source
		case m.Type != spec.MountBind:
			continue
		}
		if err := showVolume(root, m, write); err != nil {
			return fmt.Errorf("mount %s: %w", m.Dest, err)
		}
	}
	return nil
}

func showVolume(root *os.File, m spec.Mount, write bool) error {
	if err := checkSource(m.Source); err != nil {
		return err
	}
	if info, err := os.Stat(m.Source); err == nil && info.IsDir() && write {
		if err := sys.MkdirInRootOf(root, m.Dest, 0o755); err != nil {
			return err
		}
	}
	dest, err := sys.OpenInRootOf(root, m.Dest, sys.OpenPathOnly)
	if errors.Is(err, os.ErrNotExist) {
		return nil // the container was never started; nothing can be there
	}
	if err != nil {
		return err
	}
	defer dest.Close()
	attr := uint64(sys.AttrNoSUID | sys.AttrNoDev)
	if m.ReadOnly {
		attr |= sys.AttrReadOnly
	}
	tree, err := sys.CloneTree(m.Source, attr)
	if err != nil {
		return err
	}
	defer tree.Close()
	return sys.MoveMountTo(tree, dest)
}
