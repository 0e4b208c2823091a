package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/slirp"
)

const safe = sys.MountNoSUID | sys.MountNoDev | sys.MountNoExec

// mounts is the container's mount table: what every container has, what the
// engine generates, then what the user asked for, parents before children.
func (r *run) mounts(ctx context.Context) ([]launch.Mount, error) {
	out := r.systemMounts()
	shared, err := r.sharedMemory()
	if err != nil {
		return nil, err
	}
	out = append(out, shared...)
	files, err := generatedFiles(r.scaffold, r)
	if err != nil {
		return nil, err
	}
	asked, err := r.userMounts(ctx)
	if err != nil {
		return nil, err
	}
	zone, err := r.zoneMount()
	if err != nil {
		return nil, err
	}
	volatile, err := r.volatileMounts()
	if err != nil {
		return nil, err
	}
	out = append(out, volatile...)
	out = append(out, asked...)
	devices, err := r.deviceMounts()
	if err != nil {
		return nil, err
	}
	out = append(out, devices...)
	secrets, err := r.secretMounts()
	if err != nil {
		return nil, err
	}
	// Generated files come last: a tmpfs on /run or /etc must not hide them.
	return append(append(append(out, files...), zone...), secrets...), nil
}

func (r *run) systemMounts() []launch.Mount {
	out := []launch.Mount{r.procMount()}
	if !r.declares("/dev") {
		out = append(out,
			launch.Mount{Type: "tmpfs", Source: "tmpfs", Dest: "/dev", Flags: sys.MountNoSUID | sys.MountNoExec, Data: "mode=755,size=65536k"},
			launch.Mount{Type: "devpts", Source: "devpts", Dest: "/dev/pts", Flags: sys.MountNoSUID | sys.MountNoExec, Data: r.devptsData()},
		)
		out = append(out, r.mqueueMount()...)
	}
	out = append(out, r.sysMounts()...)
	if r.spec.Namespaces.IPC.Mode == spec.NamespaceHost {
		return append(out, launch.Mount{Type: "bind", Source: "/dev/shm", Dest: "/dev/shm", Flags: sys.MountBind | safe})
	}
	switch r.spec.Namespaces.IPC.Mode {
	case spec.NamespaceNone, spec.NamespaceContainer:
		return out
	case spec.NamespaceHost, spec.NamespacePrivate, spec.NamespaceShareable, spec.NamespacePath:
	}
	if !r.declares("/dev/shm") {
		size := "mode=1777,size=" + strconv.FormatInt(r.spec.Root.ShmSize, 10)
		out = append(out, launch.Mount{Type: "tmpfs", Source: "shm", Dest: "/dev/shm", Flags: safe, Data: size})
	}
	return out
}

func (r *run) procMount() launch.Mount {
	if r.spec.Namespaces.PID.Mode == spec.NamespaceHost {
		return launch.Mount{Type: "bind", Source: "/proc", Dest: "/proc", Flags: sys.MountBind | sys.MountRec | safe}
	}
	return launch.Mount{
		Type: "proc", Source: "proc", Dest: "/proc", Flags: safe,
		Data: strings.Join(r.policy.ProcOptions, ","),
	}
}

// mqueueMount shows the message queues of the IPC namespace. Those of the host
// can only be shown if the host has them mounted: its owner alone may mount.
func (r *run) mqueueMount() []launch.Mount {
	const dir = "/dev/mqueue"
	if r.spec.Namespaces.IPC.Mode != spec.NamespaceHost {
		return []launch.Mount{{Type: "mqueue", Source: "mqueue", Dest: dir, Flags: safe}}
	}
	if _, err := os.Stat(dir); err != nil {
		return nil
	}
	return []launch.Mount{{Type: "bind", Source: dir, Dest: dir, Flags: sys.MountBind | safe}}
}

// devptsData leaves the tty group out where the container does not have it.
func (r *run) devptsData() string {
	data := "newinstance,ptmxmode=0666,mode=0620"
	if _, ok := r.gids.Host(5); ok {
		data += ",gid=5"
	}
	return data
}

// sysMounts shows /sys read-only. Only the owner of the network namespace can
// mount it, so it was mounted with the namespace and is handed in.
func (r *run) sysMounts() []launch.Mount {
	var out []launch.Mount
	switch {
	case r.network.mode.Kind == slirp.Host || r.network.shared:
		out = append(out, launch.Mount{
			Type: "bind", Source: "/sys", Dest: "/sys",
			Flags:     sys.MountBind | sys.MountRec,
			Recursive: sys.AttrReadOnly | sys.AttrNoSUID | sys.AttrNoDev,
		})
		return out
	case r.network.ownedByContainer:
		out = append(out, launch.Mount{Type: "sysfs", Source: "sysfs", Dest: "/sys", Flags: safe | sys.MountReadOnly})
	default:
		out = append(out, launch.Mount{
			Type: "bind", Source: r.network.sysfs, Dest: "/sys",
			Flags: sys.MountBind, // read-only and the rest since it was mounted
		})
	}
	if !unifiedCgroups() {
		return out // cgroup v1 is not shown: it cannot be delegated safely
	}
	flags := uintptr(safe | sys.MountReadOnly)
	if r.managesCgroups() {
		flags = safe
	}
	return append(out, launch.Mount{Type: "cgroup", Source: "cgroup", Dest: "/sys/fs/cgroup", Flags: flags})
}

// unifiedCgroups says whether cgroup v2 is mounted where it belongs.
func unifiedCgroups() bool {
	_, err := os.Stat("/sys/fs/cgroup/cgroup.controllers")
	return err == nil
}

// volatileMounts are the writable places of a read-only container.
func (r *run) volatileMounts() ([]launch.Mount, error) {
	var out []launch.Mount
	add := func(dest, data string) {
		if !r.declares(dest) {
			out = append(out, launch.Mount{
				Type: "tmpfs", Source: "tmpfs", Dest: dest,
				Flags: sys.MountNoSUID | sys.MountNoDev, Data: data, CopyUp: !r.spec.Host,
			})
		}
	}
	if r.systemd {
		for _, dest := range []string{"/run", "/run/lock", "/var/log/journal"} {
			add(dest, "mode=0755")
		}
		if !r.spec.Host { // it has one
			add("/tmp", "mode=1777")
		}
	}
	if r.spec.Root.ReadOnly && r.spec.Root.ReadOnlyTmpfs {
		if !r.systemd {
			add("/run", "mode=0755")
			add("/tmp", "mode=1777")
		}
		add("/var/tmp", "mode=1777")
	}
	if r.spec.Root.ImageVolumes == spec.ImageVolumesTmpfs {
		volumes, err := r.imageVolumes()
		if err != nil {
			return nil, err
		}
		for _, dest := range volumes {
			add(dest, "mode=0755")
		}
	}
	return out, nil
}

// zoneMount shows the zone file that --timezone names.
func (r *run) zoneMount() ([]launch.Mount, error) {
	zone := r.spec.Process.Timezone
	if zone == "" {
		return nil, nil
	}
	source := filepath.Join("/usr/share/zoneinfo", zone)
	if zone == "local" {
		source = "/etc/localtime"
	}
	content, err := os.ReadFile(source)
	if errors.Is(err, os.ErrNotExist) && zone != "local" {
		return nil, hint.New(fmt.Errorf("time zone %q is not known on this host", zone), "timedatectl list-timezones")
	}
	if err != nil {
		return nil, fmt.Errorf("time zone: %w", err)
	}
	uid, gid := rootOwner(r)
	file, err := r.scaffold.file("localtime", content, uid, gid)
	if err != nil {
		return nil, err
	}
	return []launch.Mount{{Type: "bind", Source: file, Dest: "/etc/localtime", Flags: sys.MountBind | sys.MountReadOnly | safe}}, nil
}
