package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/security"
	"github.com/burrow-run/burrow/slirp"
)

const safe = sys.MountNoSUID | sys.MountNoDev | sys.MountNoExec

// mounts is the container's mount table: what every container has, what the
// engine generates, then what the user asked for, parents before children.
func (r *run) mounts() ([]launch.Mount, error) {
	out := r.systemMounts()
	files, err := generatedFiles(r.scaffold, r)
	if err != nil {
		return nil, err
	}
	asked, err := r.userMounts()
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
	// Generated files come last: a tmpfs on /run or /etc must not hide them.
	return append(append(out, files...), zone...), nil
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
	if r.spec.Namespaces.IPC.Mode != spec.NamespaceNone && !r.declares("/dev/shm") {
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
	volumes, err := r.imageVolumes()
	if err != nil {
		return nil, err
	}
	var out []launch.Mount
	add := func(dest, data string) {
		if !r.declares(dest) {
			out = append(out, launch.Mount{
				Type: "tmpfs", Source: "tmpfs", Dest: dest,
				Flags: sys.MountNoSUID | sys.MountNoDev, Data: data, CopyUp: true,
			})
		}
	}
	if r.spec.Root.ReadOnly && r.spec.Root.ReadOnlyTmpfs {
		add("/run", "mode=0755")
		add("/tmp", "mode=1777")
		add("/var/tmp", "mode=1777")
	}
	// A volume of the image is part of the writable layer, which lives as long;
	// a read-only container needs a place of its own for it.
	if r.spec.Root.ImageVolumes == spec.ImageVolumesTmpfs ||
		r.spec.Root.ReadOnly && r.spec.Root.ImageVolumes == spec.ImageVolumesAnonymous {
		for _, dest := range volumes {
			add(dest, "mode=0755")
		}
	}
	return out, nil
}

// userMounts are those of the command line, parents before children.
func (r *run) userMounts() ([]launch.Mount, error) {
	sorted := slices.Clone(r.spec.Mounts)
	slices.SortStableFunc(sorted, func(a, b spec.Mount) int {
		return strings.Count(a.Dest, "/") - strings.Count(b.Dest, "/")
	})
	out := make([]launch.Mount, 0, len(sorted))
	for i, m := range sorted {
		lm, err := r.userMount(m, i)
		if err != nil {
			return nil, fmt.Errorf("mount %s: %w", m.Dest, err)
		}
		out = append(out, lm)
	}
	return out, nil
}

func (r *run) userMount(m spec.Mount, number int) (launch.Mount, error) {
	switch m.Type {
	case spec.MountTmpfs:
		if m.Chown { // numbers of the container, which mounts it
			m.UID, m.GID = &r.who.uid, &r.who.gid
		}
		return launch.Mount{Type: "tmpfs", Source: "tmpfs", Dest: m.Dest, Flags: mountFlags(m), Data: tmpfsData(m), CopyUp: !m.NoCopyUp}, nil
	case spec.MountDevpts:
		return launch.Mount{Type: "devpts", Source: "devpts", Dest: m.Dest, Flags: sys.MountNoSUID | sys.MountNoExec, Data: devptsOptions(m)}, nil
	case spec.MountMqueue:
		return launch.Mount{Type: "mqueue", Source: "mqueue", Dest: m.Dest, Flags: mountFlags(m)}, nil
	case spec.MountBind, spec.MountVolume:
		return r.bindMount(m, number)
	}
	return launch.Mount{}, fmt.Errorf("bug: mount type %q", m.Type)
}

func (r *run) bindMount(m spec.Mount, number int) (launch.Mount, error) {
	source := m.Source
	if m.Type == spec.MountVolume {
		dir, err := r.anonymousVolume(m, number)
		if err != nil {
			return launch.Mount{}, err
		}
		source = dir
	}
	if err := checkSource(source); err != nil {
		return launch.Mount{}, err
	}
	if m.Overlay {
		dest := r.scaffold.path("o" + strconv.Itoa(number))
		if err := os.Mkdir(dest, 0o755); err != nil {
			return launch.Mount{}, err
		}
		if err := r.throwAway(source, dest, "o"+strconv.Itoa(number)); err != nil {
			return launch.Mount{}, err
		}
		source = dest
	}
	if err := r.relabel(source, m.Relabel); err != nil {
		return launch.Mount{}, err
	}
	if m.Chown {
		if err := r.chownTree(source); err != nil {
			return launch.Mount{}, err
		}
	}
	flags := mountFlags(m) | sys.MountBind
	if !m.NonRecursive {
		flags |= sys.MountRec
	}
	return launch.Mount{
		Type: "bind", Source: source, Dest: m.Dest, Flags: flags,
		Propagation: propagation(m.Propagation), Recursive: recursiveAttrs(m),
	}, nil
}

// checkSource refuses what cannot be mounted, and a link that hides what it
// is: a directory that somebody else wrote may hold a link to "/".
func checkSource(source string) error {
	target, err := filepath.EvalSymlinks(source)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return hint.New(fmt.Errorf("source %s does not exist", source), "mkdir -p "+source)
	case err != nil:
		return err
	case target == "/" && filepath.Clean(source) != "/":
		return hint.New(fmt.Errorf("source %s is a link to /", source), "to mount all of the host, say so: -v /:DESTINATION")
	}
	return nil
}

// recursiveAttrs makes what is mounted below the source as strict as the mount
// itself: MS_RDONLY alone would leave submounts writable (mount_setattr(2)).
func recursiveAttrs(m spec.Mount) uintptr {
	if m.NonRecursive {
		return 0
	}
	var attrs uintptr
	if m.ReadOnly {
		attrs |= sys.AttrReadOnly
	}
	if !m.SUID {
		attrs |= sys.AttrNoSUID
	}
	if !m.Dev {
		attrs |= sys.AttrNoDev
	}
	return attrs
}

func mountFlags(m spec.Mount) uintptr {
	var flags uintptr
	if m.ReadOnly {
		flags |= sys.MountReadOnly
	}
	if !m.SUID {
		flags |= sys.MountNoSUID
	}
	if !m.Dev {
		flags |= sys.MountNoDev
	}
	if !m.Exec {
		flags |= sys.MountNoExec
	}
	return flags
}

func tmpfsData(m spec.Mount) string {
	mode := uint32(0o1777)
	if m.Mode != nil {
		mode = *m.Mode
	}
	data := []string{fmt.Sprintf("mode=%04o", mode)}
	if m.Size != "" {
		data = append(data, "size="+m.Size)
	}
	if m.Inodes != "" {
		data = append(data, "nr_inodes="+m.Inodes)
	}
	return strings.Join(appendOwner(data, m), ",")
}

func devptsOptions(m spec.Mount) string {
	data := []string{"newinstance", "ptmxmode=0666"}
	if m.Mode != nil {
		data = append(data, fmt.Sprintf("mode=%04o", *m.Mode))
	}
	if m.Max != nil {
		data = append(data, fmt.Sprintf("max=%d", *m.Max))
	}
	return strings.Join(appendOwner(data, m), ",")
}

func appendOwner(data []string, m spec.Mount) []string {
	if m.UID != nil {
		data = append(data, fmt.Sprintf("uid=%d", *m.UID))
	}
	if m.GID != nil {
		data = append(data, fmt.Sprintf("gid=%d", *m.GID))
	}
	return data
}

// wantsPropagation says whether a mount asks to hear of the host's mounts,
// which a private root would not let through.
func wantsPropagation(mounts []spec.Mount) bool {
	return slices.ContainsFunc(mounts, func(m spec.Mount) bool {
		switch m.Propagation {
		case spec.Shared, spec.RShared, spec.Slave, spec.RSlave:
			return true
		case spec.Private, spec.RPrivate, spec.Unbindable, spec.RUnbindable:
		}
		return false
	})
}

func propagation(p spec.Propagation) []uintptr {
	flag, ok := map[spec.Propagation]uintptr{
		spec.Private: sys.MountPrivate, spec.RPrivate: sys.MountPrivate | sys.MountRec,
		spec.Shared: sys.MountShared, spec.RShared: sys.MountShared | sys.MountRec,
		spec.Slave: sys.MountSlave, spec.RSlave: sys.MountSlave | sys.MountRec,
		spec.Unbindable: sys.MountUnbindable, spec.RUnbindable: sys.MountUnbindable | sys.MountRec,
	}[p]
	if !ok {
		return nil
	}
	return []uintptr{flag}
}

// relabel gives the source the SELinux label that lets containers use it.
func (r *run) relabel(source string, how spec.Relabel) error {
	if how == spec.RelabelNone || r.policy.SELinux.MountLabel == "" {
		return nil
	}
	return security.Relabel(source, r.policy.SELinux.MountLabel, how == spec.RelabelShared, r.opts.Home)
}

// chownTree gives everything below source to the payload's user (:U).
func (r *run) chownTree(source string) error {
	uid, _ := r.uids.Host(r.who.uid)
	gid, _ := r.gids.Host(r.who.gid)
	return sys.ChownTree(source, int(uid), int(gid))
}

// anonymousVolume makes a directory that lives as long as the container. Where
// the image has files it starts with them: it is that part of the writable
// layer, mounted on itself.
func (r *run) anonymousVolume(m spec.Mount, number int) (string, error) {
	if m.Source != "" {
		return "", fmt.Errorf("named volume %q: not supported by this version", m.Source)
	}
	if r.image.plan != nil && !m.NoCopyUp {
		dir, err := r.inRoot(m.Dest)
		if dir != "" || err != nil {
			return dir, err
		}
	}
	dir := filepath.Join(r.dir, "volumes", strconv.Itoa(number))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	uid, gid := rootOwner(r)
	return dir, os.Chown(dir, uid, gid)
}

// inRoot is the directory that a path means in the container, as a path here
// that holds no links; "" if there is none.
func (r *run) inRoot(path string) (string, error) {
	f, err := sys.OpenInRoot(r.scaffold.root(), path, unix.O_RDONLY|unix.O_DIRECTORY)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	dir, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err == nil && !within(dir, r.scaffold.root()) {
		err = fmt.Errorf("bug: %s leads to %s", path, dir)
	}
	return dir, err
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
