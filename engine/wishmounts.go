package engine

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/posture"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/slirp"
)

// files adds the mounts and devices to what is wished for, and returns the
// directories below which further mounts came with what was asked for.
func (w wish) files(f, found posture.Facts) (below []string) {
	m := posture.Facts{}
	w.rootMount(m)
	w.systemMounts(m)
	w.generatedMounts(m)
	w.deviceFiles(f, m)
	below = w.kernelMounts(m)
	if w.rec.Spec.Host || w.rec.Spec.Rootfs != nil && !w.rec.Spec.Rootfs.Overlay {
		below = append(below, "/") // with all that is mounted there
	}
	below = append(below, w.askedMounts(m)...)
	w.masks(m)
	for at, how := range m {
		if at, ok := w.really(at, how, found); ok {
			f["mount "+at] = how
		}
	}
	return below
}

func (w wish) rootMount(m posture.Facts) {
	r := w.rec.Spec
	m["/"] = "overlay rw,nodev private"
	if r.Root.ReadOnly || r.Host || r.Rootfs != nil || wantsPropagation(r.Mounts) {
		m["/"] = anything
	}
}

// systemMounts are what every container has.
func (w wish) systemMounts(m posture.Facts) {
	n := w.rec.Spec.Namespaces
	m["/proc"] = "proc rw,nosuid,nodev,noexec private"
	if n.PID.Mode == spec.NamespaceHost {
		m["/proc"] = anything
	}
	m["/dev"], m["/dev/pts"] = "tmpfs rw,nosuid,noexec private", "devpts rw,nosuid,noexec private"
	m["/dev/mqueue"] = "mqueue rw,nosuid,nodev,noexec private"
	m["/dev/shm"] = "tmpfs rw,nosuid,nodev,noexec private"
	switch n.IPC.Mode {
	case spec.NamespaceHost, spec.NamespaceContainer, spec.NamespacePath, spec.NamespaceNone:
		m["/dev/mqueue"], m["/dev/shm"] = "[?]"+anything, "[?]"+anything
	case spec.NamespacePrivate, spec.NamespaceShareable:
	}
	if w.rec.Spec.Stdio.TTY {
		m["/dev/console"] = "devpts /* private"
	}
}

// generatedMounts are files of the engine's own making.
func (w wish) generatedMounts(m posture.Facts) {
	for _, file := range []string{"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv", "/etc/passwd", "/etc/group", "/etc/localtime"} {
		m[file] = "[?]tmpfs /files/* rw,nosuid,nodev,noexec private"
	}
	m["/etc/localtime"] = "[?]tmpfs /files/* ro,nosuid,nodev,noexec private"
	m[notifyDir], m[spec.SecretsDir] = "[?]* ro,nosuid,nodev,noexec private", "[?]* ro,nosuid,nodev,noexec private"
	if w.rec.Spec.Process.Init {
		m[initDest] = "* ro,nosuid,nodev private"
	}
	for _, s := range w.rec.Spec.Secrets {
		if !s.Env && !strings.HasPrefix(s.Target, spec.SecretsDir+"/") {
			m[s.Target] = "* ro,nosuid,nodev,noexec private"
		}
	}
	if w.rec.Spec.Root.ReadOnly || w.rec.Metadata.Systemd {
		for _, dir := range []string{"/run", "/tmp", "/var/tmp", "/run/lock", "/var/log/journal"} {
			m[dir] = "[?]tmpfs rw,nosuid,nodev private"
		}
	}
}

// deviceFiles are the device nodes, and what else is in /dev.
func (w wish) deviceFiles(f, m posture.Facts) {
	items := []string{
		"fd -> /proc/self/fd", "stdin -> /proc/self/fd/0", "stdout -> /proc/self/fd/1", "stderr -> /proc/self/fd/2",
		"ptmx -> pts/ptmx", "pts", "[?]shm", "[?]mqueue", "[?]core -> /proc/kcore",
	}
	for _, d := range defaultDevices() {
		m[d.Path] = "* /" + path.Base(d.Path) + " *private"
		items = append(items, fmt.Sprintf("%s %d:%d", path.Base(d.Path), d.Major, d.Minor))
	}
	if w.rec.Spec.Stdio.TTY {
		items = append(items, "console 136:*")
	}
	asked := []string{}
	for _, d := range w.rec.Spec.Devices {
		m[d.Container] = "[?]*" // a directory's devices are mounted one by one
		asked = append(asked, d.Container)
	}
	for _, mount := range w.rec.Spec.Mounts {
		asked = append(asked, mount.Dest)
	}
	for _, at := range asked {
		if in, ok := strings.CutPrefix(at, "/dev/"); ok {
			name, _, _ := strings.Cut(in, "/")
			items = append(items, "[?]"+name+"*")
		}
	}
	f["devices"] = strings.Join(items, ", ")
	if slices.Contains(asked, "/dev") {
		f["devices"] = anything
		for _, at := range []string{"/dev", "/dev/pts", "/dev/mqueue", "/dev/shm"} {
			m[at] = "[?]" + anything
		}
	}
}

// kernelMounts are /sys and what is below it.
func (w wish) kernelMounts(m posture.Facts) (below []string) {
	if w.rec.Spec.Namespaces.PID.Mode == spec.NamespaceHost {
		below = append(below, "/proc")
	}
	network, _, _ := strings.Cut(w.rec.Network, ":")
	if slices.Contains([]slirp.Kind{slirp.Host, slirp.Container, slirp.Path}, slirp.Kind(network)) { // it shows whose network it is
		m["/sys"] = "sysfs ro,nosuid,nodev* private*"
		return append(below, "/sys")
	}
	m["/sys"] = "sysfs ro,nosuid,nodev,noexec private"
	if unifiedCgroups() {
		how := "ro"
		if w.rec.Metadata.Systemd || w.deviates("privileged", "writable-cgroups") {
			how = "r*"
		}
		m["/sys/fs/cgroup"] = "cgroup2 *" + how + ",nosuid,nodev,noexec private"
	}
	return below
}

func (w wish) deviates(ids ...string) bool {
	for _, d := range w.rec.Security.Deviations {
		if slices.Contains(ids, d.ID) {
			return true
		}
	}
	return false
}

// askedMounts are the user's own, and the volumes of the image.
func (w wish) askedMounts(m posture.Facts) (below []string) {
	for _, mount := range w.rec.Spec.Mounts {
		how := "rw"
		if mount.ReadOnly {
			how = "ro"
		}
		m[mount.Dest] = "* " + how + "*"
		if mount.Type == spec.MountArtifact {
			m[mount.Dest] = "[?]* ro*" // or each file in it
		}
		below = append(below, mount.Dest)
	}
	return below
}

// masks are what is hidden of /proc and /sys, and what is read-only, as far as this
// kernel has it.
func (w wish) masks(m posture.Facts) {
	root, err := sys.OpenDir(fmt.Sprintf("/proc/%d/root", w.rec.PID))
	if err != nil {
		return
	}
	defer root.Close()
	is := func(at string) (dir, there bool) {
		f, err := sys.OpenInRootOf(root, at, sys.OpenPathOnly)
		if err != nil {
			return false, false
		}
		defer f.Close()
		info, err := f.Stat()
		return err == nil && info.IsDir(), err == nil
	}
	for _, at := range w.rec.Security.ReadonlyPaths {
		if _, there := is(at); there {
			m[at] = "* ro* private"
		}
	}
	for _, at := range w.rec.Security.MaskedPaths {
		if dir, there := is(at); there && dir {
			m[at] = "tmpfs ro* private"
		} else if there {
			m[at] = "* /null * private"
		}
	}
}

// really is where a mount is that was asked for at a name that the image may have
// made a link. What may be missing and is nowhere is not wished for.
func (w wish) really(at, how string, found posture.Facts) (string, bool) {
	optional, isOptional := strings.CutPrefix(how, "[?]")
	if _, ok := found["mount "+at]; ok {
		return at, true
	}
	point, err := w.mountPoint(at)
	if got, ok := found["mount "+point]; err == nil && ok && point != "/" && (!isOptional || posture.Matches(got, optional)) {
		return point, true
	}
	return at, !isOptional
}

// mountPoint is where the mount is that a name of the container leads to.
func (w wish) mountPoint(at string) (string, error) {
	root, err := sys.OpenDir(fmt.Sprintf("/proc/%d/root", w.rec.PID))
	if err != nil {
		return "", err
	}
	defer root.Close()
	f, err := sys.OpenInRootOf(root, at, sys.OpenPathOnly)
	if err != nil {
		return "", err
	}
	defer f.Close()
	return mountOf(f, w.rec.PID)
}

// mountOf is where, for process pid, the mount is that a file is in.
func mountOf(f *os.File, pid int) (string, error) {
	var st unix.Statx_t
	if err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st); err != nil {
		return "", err
	}
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "mountinfo"))
	if err != nil {
		return "", err
	}
	id := strconv.FormatUint(st.Mnt_id, 10)
	for line := range strings.Lines(string(b)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[0] == id {
			return fields[4], nil
		}
	}
	return "", errors.New("no such mount")
}
