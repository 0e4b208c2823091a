package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// mountRoot mounts the container's root filesystem in the scaffold.
func (r *run) mountRoot(ctx context.Context) error {
	if err := r.followIDs(ctx); err != nil {
		return err
	}
	switch {
	case r.spec.Host:
		return r.mountHostRoot()
	case r.spec.Rootfs != nil:
		return r.mountDirectory()
	}
	layers, err := r.shifted(ctx)
	if err != nil {
		return err
	}
	if len(layers) == 0 {
		empty := r.scaffold.path("empty") // an image without layers is legal
		if err := os.Mkdir(empty, 0o755); err != nil {
			return err
		}
		layers = []string{empty}
	}
	return r.overlay(layers)
}

// shifted returns the layers that show the image's files with the right
// owners: the image's own, with a shift layer on top where some files are not
// 0:0, or re-owned copies of all.
func (r *run) shifted(ctx context.Context) ([]string, error) {
	if err := r.present(ctx); err != nil {
		return nil, err
	}
	p := r.image.plan
	key := idmap.ShiftKey(r.uids, r.gids, p.UIDs, p.GIDs)
	if p.Additional != nil {
		key += "-" + p.Additional.Key()
	}
	if r.mode.Kind == idmap.Explicit { // what is not mapped depends on the whole map
		key += "-" + mapsKey(r.uids, r.gids)
	}
	if uid, gid := rootOwner(r); uid != 0 || gid != 0 {
		return reownImage(ctx, r.opts.Dirs.Shift(), key, p, r.owners(), r.opts.Log)
	}
	if len(p.Shift) == 0 || r.mode.Kind == idmap.Host {
		return p.Layers, nil
	}
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	dir, err := shiftLayer(ctx, r.opts.Dirs.Shift(), shiftName(p.ID, key, boot), p, r.owners())
	if err != nil {
		return nil, err
	}
	return append([]string{dir}, p.Layers...), nil
}

// shiftName names a shift layer: the image first and the boot last, which
// reclaiming goes by.
func shiftName(image, key, boot string) string {
	return image[:min(len(image), imageDigits)] + "-" + key + bootSuffix(boot)
}

// imageDigits of an image's or a layer's ID stand in the names of our layers.
const imageDigits = 16

func bootSuffix(boot string) string { return "-" + boot[:min(len(boot), 8)] }

func mapsKey(uids, gids idmap.Map) string {
	sum := sha256.Sum256([]byte(uids.String() + "/" + gids.String()))
	return hex.EncodeToString(sum[:8])
}

// overlay mounts layers with a writable one on top, which lives in the
// container's directory and whose attributes are the root directory's.
func (r *run) overlay(layers []string) error {
	upper, work := filepath.Join(r.dir, "upper"), filepath.Join(r.dir, "work")
	if err := os.Mkdir(work, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make writable layer: %w", err)
	}
	switch err := os.Mkdir(upper, 0o700); {
	case errors.Is(err, os.ErrExist): // it starts again
		return mountOverlay(r.scaffold, layers, upper, work, false)
	case err != nil:
		return fmt.Errorf("make writable layer: %w", err)
	}
	mode, uid, gid, err := r.rootAttributes(layers)
	if err != nil {
		return err
	}
	if err := os.Chown(upper, uid, gid); err != nil {
		return err
	}
	if err := unix.Chmod(upper, mode); err != nil {
		return &os.PathError{Op: "chmod", Path: upper, Err: err}
	}
	return mountOverlay(r.scaffold, layers, upper, work, r.spec.Remove)
}

// rootAttributes are those of the image's root directory: of the topmost layer
// that says something about it. Layers that do not have 0755 and root.
func (r *run) rootAttributes(layers []string) (mode uint32, uid, gid int, err error) {
	uid, gid = rootOwner(r)
	for _, dir := range layers {
		var st unix.Stat_t
		if err := unix.Stat(dir, &st); err != nil {
			return 0, 0, 0, &os.PathError{Op: "stat", Path: dir, Err: err}
		}
		own := st.Uid == 0 && st.Gid == 0 || int(st.Uid) == uid && int(st.Gid) == gid
		if st.Mode&0o7777 == 0o755 && own {
			continue
		}
		mode := st.Mode & 0o7777
		if own || r.image.plan == nil {
			return mode, uid, gid, nil
		}
		if reowned := uid != 0 || gid != 0; reowned {
			return mode, int(st.Uid), int(st.Gid), nil
		}
		u, uok := r.uids.Host(st.Uid)
		g, gok := r.gids.Host(st.Gid)
		if !uok || !gok { // nobody's root directory would be closed to all
			return mode, uid, gid, nil
		}
		return mode, int(u), int(g), nil
	}
	return 0o755, uid, gid, nil
}

// mountDirectory uses the caller's directory as root, with a throw-away layer
// over it if asked.
func (r *run) mountDirectory() error {
	dir := r.spec.Rootfs.Dir
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("root filesystem: %w", err)
	}
	if !info.IsDir() {
		return hint.New(fmt.Errorf("root filesystem: %s: not a directory", dir),
			"--rootfs takes an unpacked root filesystem; burrow import reads a tar")
	}
	if r.spec.Rootfs.Overlay {
		return r.overlay([]string{dir})
	}
	return sys.Mount(dir, r.scaffold.root(), "", sys.MountBind|sys.MountRec, "")
}

var errHostRoot = errors.New("host image")

// hostDirs are what the host image shows of the host, read-only. What is not
// listed is not there: no home, no /run, no /tmp, no /mnt.
var hostDirs = []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "opt", "var", "nix"}

// mountHostRoot builds a root from the host's own directories: read-only binds
// on a tmpfs, which stays writable but small, and a throw-away overlay on the
// working tree.
func (r *run) mountHostRoot() error {
	root := r.scaffold.root()
	uid, gid := rootOwner(r)
	if err := sys.Mount("burrow-host", root, "tmpfs", sys.MountNoSUID|sys.MountNoDev, "mode=0755,size=64m"+r.scaffold.context()); err != nil {
		return err
	}
	if err := os.Chown(root, uid, gid); err != nil {
		return err
	}
	for _, name := range hostDirs {
		if err := showHostDir(root, name); err != nil {
			return fmt.Errorf("%w: /%s: %w", errHostRoot, name, err)
		}
	}
	for _, dir := range []string{"proc", "sys", "dev", "run", "tmp", "home", "root", "mnt"} {
		path := filepath.Join(root, dir)
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
	}
	if err := r.hostScratch(root); err != nil {
		return err
	}
	return r.workTree(root)
}

// showHostDir shows one top-level directory of the host, or its link.
func showHostDir(root, name string) error {
	source, dest := "/"+name, filepath.Join(root, name)
	info, err := os.Lstat(source)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeSymlink != 0 {
		target, err := os.Readlink(source)
		if err != nil {
			return err
		}
		return os.Symlink(target, dest)
	}
	if err := os.Mkdir(dest, 0o755); err != nil {
		return err
	}
	if err := sys.Mount(source, dest, "", sys.MountBind|sys.MountRec, ""); err != nil {
		return err
	}
	return sys.SetMountAttr(dest, sys.AttrReadOnly|sys.AttrNoSUID|sys.AttrNoDev)
}

// hostScratch gives the places that programs write to a file system of their own.
func (r *run) hostScratch(root string) error {
	for _, dir := range []string{"/tmp", "/var/tmp", "/run", r.opts.Home} {
		if dir == "" || dir == "/" {
			continue
		}
		dest := filepath.Join(root, dir)
		if info, err := os.Lstat(dest); err == nil && info.Mode()&os.ModeSymlink != 0 {
			continue // it leads to one of the others, or out of this root
		}
		if err := os.MkdirAll(dest, 0o755); err != nil {
			if errors.Is(err, os.ErrExist) || isReadOnly(err) {
				continue // the host has no such directory
			}
			return err
		}
		mode := "mode=0755"
		if dir == "/tmp" || dir == "/var/tmp" {
			mode = "mode=1777"
		}
		uid, gid := rootOwner(r)
		data := fmt.Sprintf("%s,uid=%d,gid=%d", mode, uid, gid)
		if err := sys.Mount("burrow-scratch", dest, "tmpfs", sys.MountNoSUID|sys.MountNoDev, data+r.scaffold.context()); err != nil {
			return err
		}
	}
	return nil
}

// workTree shows the working directory with a throw-away overlay: the payload
// may change it, the caller's files stay as they are.
func (r *run) workTree(root string) error {
	cwd := r.opts.Cwd
	if cwd == "" || cwd == "/" || shownByHost(cwd) {
		return nil
	}
	dest := filepath.Join(root, cwd)
	if err := os.MkdirAll(dest, 0o755); err != nil {
		return fmt.Errorf("%w: working directory: %w", errHostRoot, err)
	}
	return r.throwAway(cwd, dest, "tree")
}

// shownByHost says whether the path lies in a directory that the host image
// shows read-only anyway.
func shownByHost(path string) bool {
	for _, name := range hostDirs {
		if path == "/"+name || hides("/"+name, []string{path}) {
			return true
		}
	}
	return false
}

// throwAway mounts an overlay of source on dest whose writes go to the
// container's directory and vanish with it.
func (r *run) throwAway(source, dest, name string) error {
	upper, work := filepath.Join(r.dir, name), filepath.Join(r.dir, name+".work")
	for _, dir := range []string{upper, work} {
		if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	info, err := os.Stat(source)
	if err != nil {
		return err
	}
	if err := os.Chmod(upper, info.Mode().Perm()); err != nil {
		return err
	}
	return mountOverlayAt(r.scaffold, dest, name, []string{source}, upper, work, r.spec.Remove)
}

func isReadOnly(err error) bool { return errors.Is(err, sys.ErrReadOnly) }
