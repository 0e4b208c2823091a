package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/security"
	"github.com/burrow-run/burrow/slirp"
)

var errJoin = errors.New("join namespace")

// runningContainer is a container whose namespaces can be joined.
func runningContainer(d paths.Dirs, ref string) (Record, error) {
	rec, err := Lookup(d, ref)
	if err != nil {
		return Record{}, err
	}
	if !rec.Running() {
		return Record{}, fmt.Errorf("%w of container %s: it is not running", errJoin, ref)
	}
	return rec, nil
}

// openNamespace opens a container's namespace and returns a path that leads to
// it as long as the run lives. A pid that was used again is found out: the
// container is asked for after its file was opened.
func (r *run) openNamespace(rec Record, kind string) (string, error) {
	if err := rec.reachable(); err != nil {
		return "", fmt.Errorf("%w of container %w", errJoin, err)
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/ns/%s", rec.PID, kind))
	if err != nil {
		return "", fmt.Errorf("%w: %w", errJoin, err)
	}
	if !rec.Running() {
		f.Close()
		return "", fmt.Errorf("%w of container %s: it is not running", errJoin, rec.Name)
	}
	r.later(func() { f.Close() })
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd()), nil
}

// sharedUserns is the container in whose user namespace this one must live, or
// "": procfs, message queues and cgroups can only be mounted by root of the
// namespace that owns them.
func (r *run) sharedUserns() (string, error) {
	n := r.spec.Namespaces
	target := ""
	for _, ns := range []spec.Namespace{n.PID, n.IPC, n.Cgroup} {
		if ns.Mode != spec.NamespaceContainer {
			continue
		}
		rec, err := runningContainer(r.opts.Dirs, ns.Ref)
		if err != nil {
			return "", err
		}
		if target != "" && target != rec.ID {
			return "", fmt.Errorf("%w: of two containers: all but the network and UTS namespace must be one container's", errJoin)
		}
		target = rec.ID
	}
	return target, nil
}

// joinContainer takes over the IDs of the container in whose user namespace
// this one lives, and holds them as well.
func (r *run) joinContainer(ctx context.Context, ledger *idmap.Ledger) error {
	rec, err := runningContainer(r.opts.Dirs, r.mode.Target)
	if err != nil {
		return err
	}
	r.uids, r.gids = rec.UIDMap, rec.GIDMap
	if rec.Userns == idmap.Host.String() {
		r.mode.Kind = idmap.Host // we are in it already
		return nil
	}
	if r.usernsPath, err = r.openNamespace(rec, "user"); err != nil {
		return err
	}
	holders, err := ledger.List()
	if err != nil {
		return err
	}
	var slice *idmap.SliceRef
	for _, h := range holders {
		if h.Container == rec.ID {
			slice = &h.Slice
		}
	}
	switch {
	case rec.Userns == idmap.Explicit.String():
		r.slice, err = ledger.TakeMapped(ctx, r.id, r.uids, r.gids)
	case slice == nil: // it has no IDs but the caller's
		return nil
	default:
		need := idmap.Need{Container: r.id, Image: cmp.Or(r.imageID(), r.image.name), Exact: slice}
		for _, h := range holders {
			if h.Slice == *slice {
				need.Peers = append(need.Peers, h.Container)
			}
		}
		r.slice, err = ledger.Take(ctx, need)
	}
	if err != nil {
		return err
	}
	r.later(func() { _ = r.slice.Release() })
	return nil
}

// sharedMemory is the /dev/shm of the container whose IPC namespace this one
// joins. It is a mount of the other's own mount namespace; a copy of it is
// mounted in the scaffold.
func (r *run) sharedMemory() ([]launch.Mount, error) {
	const dir = "/dev/shm"
	ipc := r.spec.Namespaces.IPC
	if ipc.Mode != spec.NamespaceContainer || r.declares(dir) {
		return nil, nil
	}
	rec, err := runningContainer(r.opts.Dirs, ipc.Ref)
	if err != nil {
		return nil, err
	}
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", rec.PID))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errJoin, err)
	}
	defer ns.Close()
	tree, err := sys.CloneTreeOf(ns, dir)
	if err == nil && !rec.Running() { // its pid may have been another process's already
		tree.Close()
		err = ErrNotRunning
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // --ipc=none
	}
	if err != nil {
		return nil, fmt.Errorf("share %s of container %s: %w", dir, rec.Name, err)
	}
	defer tree.Close()
	source := r.scaffold.path("shm")
	if err := os.Mkdir(source, 0o700); err != nil {
		return nil, err
	}
	at, err := os.OpenFile(source, sys.OpenPathOnly, 0)
	if err != nil {
		return nil, err
	}
	defer at.Close()
	if err := sys.MoveMountTo(tree, at); err != nil {
		return nil, err
	}
	return []launch.Mount{{Type: "bind", Source: source, Dest: dir, Flags: sys.MountBind | safe}}, nil
}

// usernsContainer finds the container that a path to a user namespace belongs to.
func (r *run) usernsContainer(path string) (string, error) {
	bad := hint.New(fmt.Errorf("--userns=ns:%s: not the user namespace of a running container of yours", path), "--userns=container:NAME")
	rest, ok := strings.CutPrefix(filepath.Clean(path), "/proc/")
	if !ok {
		return "", bad
	}
	number, file, _ := strings.Cut(rest, "/")
	pid, err := strconv.Atoi(number)
	if err != nil || file != "ns/user" {
		return "", bad
	}
	records, _, err := List(r.opts.Dirs)
	if err != nil {
		return "", err
	}
	for _, rec := range records {
		if rec.PID == pid && rec.Running() {
			return rec.ID, nil
		}
	}
	return "", bad
}

// checkSysctls refuses settings of a namespace that another container brings:
// we would change it for both, or not at all.
func (r *run) checkSysctls() error {
	joins := map[security.SysctlNamespace]bool{
		security.SysctlNet: r.network.mode.Kind == slirp.Container || r.network.mode.Kind == slirp.Path,
		security.SysctlIPC: r.spec.Namespaces.IPC.Ref != "",
	}
	for key := range r.policy.Sysctls {
		if ns, _ := security.NamespaceOf(key); joins[ns] {
			return fmt.Errorf("--sysctl %s: the %s namespace is another container's", key, ns)
		}
	}
	return nil
}
