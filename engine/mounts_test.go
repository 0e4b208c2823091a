package engine

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/slirp"
)

// mountRun is a run in the state in which mounts are worked out.
func mountRun(t *testing.T) *run {
	t.Helper()
	r := accountRun(t, nil)
	must(t, os.MkdirAll(r.scaffold.root(), 0o755))
	must(t, os.Mkdir(r.scaffold.path("files"), 0o755))
	must(t, os.MkdirAll(r.scaffold.path("l"), 0o755))
	r.dir = t.TempDir()
	r.id, r.name, r.hostname = strings.Repeat("a", 64), "web", "h"
	r.network = &network{sysfs: "/S", mode: slirp.Mode{Kind: slirp.None}}
	r.uids = idmap.Map{{Container: 0, Host: 0, Count: 100}}
	r.gids = r.uids
	return r
}

// flagNames shows mount flags as findmnt(8) does.
func flagNames(flags uintptr) string {
	var out []string
	for _, f := range []struct {
		bit  uintptr
		name string
	}{
		{sys.MountBind, "bind"},
		{sys.MountRec, "rec"},
		{sys.MountReadOnly, "ro"},
		{sys.MountNoSUID, "nosuid"},
		{sys.MountNoDev, "nodev"},
		{sys.MountNoExec, "noexec"},
	} {
		if flags&f.bit != 0 {
			out = append(out, f.name)
			flags &^= f.bit
		}
	}
	if flags != 0 {
		out = append(out, fmt.Sprintf("%#x", flags))
	}
	return strings.Join(out, ",")
}

func mountLine(m launch.Mount) string {
	var line strings.Builder
	fmt.Fprintf(&line, "%s %s %s", m.Dest, m.Type, flagNames(m.Flags))
	for _, part := range []struct {
		show bool
		text string
	}{
		{m.Type == "bind", "from " + m.Source},
		{m.Data != "", m.Data},
		{m.CopyUp, "copyup"},
		{m.Recursive != 0, fmt.Sprintf("attr=%#x", m.Recursive)},
		{len(m.Propagation) > 0, fmt.Sprintf("propagation=%#x", m.Propagation)},
	} {
		if part.show {
			line.WriteString(" " + part.text)
		}
	}
	return line.String()
}

func mountTable(t *testing.T, r *run) []string {
	t.Helper()
	ms, err := r.mounts(t.Context())
	must(t, err)
	out := make([]string, 0, len(ms))
	for _, m := range ms {
		line := strings.ReplaceAll(mountLine(m), r.scaffold.dir, "SCAFFOLD")
		out = append(out, strings.ReplaceAll(line, r.dir, "DIR"))
	}
	return out
}

// every is the table of a container for which nothing was asked.
func every() []string {
	table := []string{
		"/proc proc nosuid,nodev,noexec",
		"/dev tmpfs nosuid,noexec mode=755,size=65536k",
		"/dev/pts devpts nosuid,noexec newinstance,ptmxmode=0666,mode=0620,gid=5",
		"/dev/mqueue mqueue nosuid,nodev,noexec",
		"/sys bind bind from /S",
	}
	if unifiedCgroups() {
		table = append(table, "/sys/fs/cgroup cgroup ro,nosuid,nodev,noexec")
	}
	return append(table,
		"/dev/shm tmpfs nosuid,nodev,noexec mode=1777,size=67108864",
		"/run/.containerenv bind bind from SCAFFOLD/files/containerenv",
		"/etc/hostname bind bind from SCAFFOLD/files/hostname",
		"/etc/hosts bind bind from SCAFFOLD/files/hosts",
		"/etc/resolv.conf bind bind from SCAFFOLD/files/resolv.conf",
	)
}

func TestMountTable(t *testing.T) {
	src := t.TempDir()
	bind := func(dest string) spec.Mount {
		return spec.Mount{Type: spec.MountBind, Source: src, Dest: dest, Exec: true, Propagation: spec.RPrivate}
	}
	const private = " attr=0x6 propagation=[0x44000]"
	mode, id := uint32(0o700), uint32(7)
	for name, c := range map[string]struct {
		change       func(r *run)
		added, taken []string // against every()
	}{
		"nothing asked for": {func(*run) {}, nil, nil},
		"bind": {
			func(r *run) { r.spec.Mounts = []spec.Mount{bind("/a")} },
			[]string{"/a bind bind,rec,nosuid,nodev from " + src + private},
			nil,
		},
		"read-only bind": {
			func(r *run) { m := bind("/a"); m.ReadOnly = true; r.spec.Mounts = []spec.Mount{m} },
			[]string{"/a bind bind,rec,ro,nosuid,nodev from " + src + " attr=0x7 propagation=[0x44000]"},
			nil,
		},
		"loose bind": {
			func(r *run) {
				m := bind("/a")
				m.SUID, m.Dev, m.NonRecursive, m.Propagation = true, true, true, spec.Shared
				r.spec.Mounts = []spec.Mount{m}
			},
			[]string{"/a bind bind from " + src + " propagation=[0x100000]"},
			nil,
		},
		"tmpfs": {
			func(r *run) {
				r.spec.Mounts = []spec.Mount{
					{Type: spec.MountTmpfs, Dest: "/t", Size: "10%", Inodes: "5", Mode: &mode, UID: &id},
					{Type: spec.MountTmpfs, Dest: "/u", Exec: true, NoCopyUp: true, Chown: true},
				}
				r.who = identity{uid: 8, gid: 9}
			},
			[]string{
				"/t tmpfs nosuid,nodev,noexec mode=0700,size=10%,nr_inodes=5,uid=7 copyup",
				"/u tmpfs nosuid,nodev mode=1777,uid=8,gid=9",
			},
			nil,
		},
		"devpts and mqueue": {
			func(r *run) {
				r.spec.Mounts = []spec.Mount{{Type: spec.MountDevpts, Dest: "/p", Mode: &mode, GID: &id, Max: &id}, {Type: spec.MountMqueue, Dest: "/q"}}
			},
			[]string{"/p devpts nosuid,noexec newinstance,ptmxmode=0666,mode=0700,max=7,gid=7", "/q mqueue nosuid,nodev,noexec"},
			nil,
		},
		"terminals without their group": {
			func(r *run) { r.gids = idmap.Map{{Container: 0, Host: 0, Count: 1}} },
			[]string{"/dev/pts devpts nosuid,noexec newinstance,ptmxmode=0666,mode=0620"},
			[]string{"/dev/pts devpts nosuid,noexec newinstance,ptmxmode=0666,mode=0620,gid=5"},
		},
		"own /dev": {
			func(r *run) { r.spec.Mounts = []spec.Mount{bind("/dev")} },
			[]string{"/dev bind bind,rec,nosuid,nodev from " + src + private},
			slices.DeleteFunc(every(), func(s string) bool { return !strings.HasPrefix(s, "/dev") }),
		},
		"own files": {
			func(r *run) { r.spec.Mounts = []spec.Mount{bind("/etc/hosts"), bind("/run")} },
			[]string{"/run bind bind,rec,nosuid,nodev from " + src + private, "/etc/hosts bind bind,rec,nosuid,nodev from " + src + private},
			[]string{"/run/.containerenv bind bind from SCAFFOLD/files/containerenv", "/etc/hosts bind bind from SCAFFOLD/files/hosts"},
		},
		"read-only": {
			func(r *run) {
				r.spec.Root.ReadOnly = true
				r.image.cfg.Volumes = []string{"/v", "/tmp"} // they are among Mounts by now, if they are to be
				r.spec.Mounts = []spec.Mount{bind("/var/tmp")}
			},
			[]string{
				"/run tmpfs nosuid,nodev mode=0755 copyup", "/tmp tmpfs nosuid,nodev mode=1777 copyup",
				"/var/tmp bind bind,rec,nosuid,nodev from " + src + private,
			},
			nil,
		},
		"read-only without tmpfs": {
			func(r *run) { r.spec.Root.ReadOnly, r.spec.Root.ReadOnlyTmpfs = true, false }, nil, nil,
		},
		"image volumes in memory": {
			func(r *run) {
				r.image.cfg.Volumes, r.spec.Root.ImageVolumes = []string{"/v", "/sys/fs/cgroup"}, spec.ImageVolumesTmpfs
			},
			[]string{"/v tmpfs nosuid,nodev mode=0755 copyup"},
			nil,
		},
		"host's processes": {
			func(r *run) { r.spec.Namespaces.PID.Mode = spec.NamespaceHost },
			[]string{"/proc bind bind,rec,nosuid,nodev,noexec from /proc"},
			every()[:1],
		},
		"proc options": {
			func(r *run) { r.policy.ProcOptions = []string{"hidepid=2", "subset=pid"} },
			[]string{"/proc proc nosuid,nodev,noexec hidepid=2,subset=pid"},
			every()[:1],
		},
		"no shared memory": {
			func(r *run) { r.spec.Namespaces.IPC.Mode = spec.NamespaceNone }, nil,
			[]string{"/dev/shm tmpfs nosuid,nodev,noexec mode=1777,size=67108864"},
		},
		"host's name": {
			func(r *run) { r.spec.Namespaces.UTS.Mode = spec.NamespaceHost }, nil,
			[]string{"/etc/hostname bind bind from SCAFFOLD/files/hostname"},
		},
		"image's hosts and resolv.conf": {
			func(r *run) { r.spec.Network.NoHosts, r.spec.Network.DNS = true, []string{"none"} }, nil, every()[len(every())-2:],
		},
		"host's network": {
			func(r *run) { r.network.mode.Kind = slirp.Host },
			[]string{"/sys bind bind,rec from /sys attr=0x7"},
			slices.DeleteFunc(every(), func(s string) bool { return !strings.HasPrefix(s, "/sys") }),
		},
		"network of its own": {
			func(r *run) { r.network.ownedByContainer = true },
			[]string{"/sys sysfs ro,nosuid,nodev,noexec"},
			[]string{"/sys bind bind from /S"},
		},
		"time zone": {
			func(r *run) { r.spec.Process.Timezone = "UTC" },
			[]string{"/etc/localtime bind bind,ro,nosuid,nodev,noexec from SCAFFOLD/files/localtime"},
			nil,
		},
		"device": {
			func(r *run) {
				r.spec.Devices = []spec.Device{{Host: "/dev/null", Container: "/dev/n", Read: true, Write: true, Mknod: true}}
			},
			[]string{"/dev/n bind bind,nosuid,noexec from /dev/null"},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := mountRun(t)
			c.change(r)
			got := mountTable(t, r)
			var added []string
			left := every()
			for _, line := range got {
				if i := slices.Index(left, line); i >= 0 {
					left = slices.Delete(left, i, i+1)
				} else {
					added = append(added, line)
				}
			}
			if !slices.Equal(added, c.added) || !slices.Equal(left, c.taken) {
				t.Errorf("added\n\t%s\ntaken away\n\t%s", strings.Join(added, "\n\t"), strings.Join(left, "\n\t"))
			}
			if name == "nothing asked for" && !slices.Equal(got, every()) {
				t.Errorf("order:\n\t%s", strings.Join(got, "\n\t"))
			}
		})
	}
}

// Parents come before children, and what a container needs after what would hide it.
func TestMountOrder(t *testing.T) {
	r := mountRun(t)
	src := t.TempDir()
	for _, dest := range []string{"/a/b/c", "/etc", "/a", "/run", "/a/b"} {
		r.spec.Mounts = append(r.spec.Mounts, spec.Mount{Type: spec.MountBind, Source: src, Dest: dest})
	}
	var order []string
	ms, err := r.mounts(t.Context())
	must(t, err)
	for _, m := range ms {
		order = append(order, m.Dest)
	}
	before := func(a, b string) {
		if i, j := slices.Index(order, a), slices.Index(order, b); i < 0 || j < 0 || i > j {
			t.Errorf("%s (%d) is not before %s (%d) in %q", a, i, b, j, order)
		}
	}
	before("/a", "/a/b")
	before("/a/b", "/a/b/c")
	before("/proc", "/a")
	before("/dev", "/dev/pts")
	if slices.Contains(order, "/etc/hosts") {
		t.Error("a generated file covers the user's /etc")
	}
}

func TestDeviceWarnings(t *testing.T) {
	var said []string
	r := mountRun(t)
	r.opts.Warn = func(s string) { said = append(said, s) }
	r.spec.Devices = []spec.Device{{Host: "/dev/null", Container: "/a", Read: true}, {Host: "/dev/zero", Container: "/b", Read: true, Write: true}}
	_, err := r.deviceMounts()
	must(t, err)
	if len(said) != 1 || !strings.Contains(said[0], "cannot be enforced") {
		t.Errorf("%q", said)
	}
	if n := len(defaultDevices()); n != 6 {
		t.Errorf("%d devices by default", n)
	}
}

func TestDeclares(t *testing.T) {
	r := &run{spec: spec.Spec{Mounts: []spec.Mount{{Dest: "/etc"}, {Dest: "/run/x"}}}}
	for dest, want := range map[string]bool{"/etc": true, "/etc/hosts": true, "/etcx": false, "/run": false, "/run/x/y": true, "/run/xy": false} {
		if r.declares(dest) != want {
			t.Errorf("%s: %v", dest, !want)
		}
	}
}
