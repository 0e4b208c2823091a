package doctor_test

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/engine/doctor"
)

const (
	rootMount = "23 1 8:1 / / rw,relatime - ext4 /dev/vda rw\n22 23 0:21 / /proc rw - proc proc rw\n"
	v2Mount   = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
	v1Mount   = "30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n31 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
	hybrid    = v1Mount + "32 30 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	userDir   = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service"
)

func TestCgroups(t *testing.T) {
	delegated := func(controllers string) map[string]string {
		return map[string]string{
			"/proc/self/mountinfo": rootMount + v2Mount, "/run/systemd/system/x": "",
			userDir + "/cgroup.procs": "", userDir + "/cgroup.subtree_control": "", userDir + "/cgroup.controllers": controllers,
		}
	}
	for _, tt := range []struct {
		name        string
		files       map[string]string
		status      doctor.Status
		detail, fix string
	}{
		{"all controllers", delegated("cpuset cpu io memory pids\n"), doctor.OK, "cpuset cpu io memory pids", ""},
		{"systemd's default", delegated("memory pids\n"), doctor.Warn, "without cpu, cpuset, io", "Delegate=cpu cpuset io memory pids"},
		{
			"no user service",
			map[string]string{"/proc/self/mountinfo": rootMount + v2Mount, "/run/systemd/system/x": ""},
			doctor.Warn, "no part of it is delegated to u", "sudo loginctl enable-linger u",
		},
		{
			"own subtree without systemd",
			map[string]string{
				"/proc/self/mountinfo": rootMount + v2Mount, "/proc/self/cgroup": "0::/mine\n",
				"/sys/fs/cgroup/mine/cgroup.procs": "", "/sys/fs/cgroup/mine/cgroup.subtree_control": "",
				"/sys/fs/cgroup/mine/cgroup.controllers": "cpuset cpu io memory pids",
			},
			doctor.OK, "delegated with", "",
		},
		{
			"foreign cgroup without systemd",
			map[string]string{"/proc/self/mountinfo": rootMount + v2Mount, "/proc/self/cgroup": "0::/\n"},
			doctor.Warn, "no part of it", "/sys/fs/cgroup/burrow-1000",
		},
		{"v1", map[string]string{"/proc/self/mountinfo": rootMount + v1Mount}, doctor.Warn, "cgroup v1", "mount -t cgroup2"},
		{"hybrid", map[string]string{"/proc/self/mountinfo": rootMount + hybrid}, doctor.Warn, "cgroup hybrid", "mount -t cgroup2"},
		{
			"hybrid with systemd on Fedora",
			map[string]string{"/proc/self/mountinfo": rootMount + hybrid, "/run/systemd/system/x": "", "/etc/os-release": "ID=fedora"},
			doctor.Warn, "cgroup hybrid", "sudo grubby --update-kernel=ALL --args='systemd.unified_cgroup_hierarchy=1'",
		},
		{
			"hybrid with systemd on Debian",
			map[string]string{"/proc/self/mountinfo": rootMount + hybrid, "/run/systemd/system/x": ""},
			doctor.Warn, "cgroup hybrid", "update-grub",
		},
		{"none", map[string]string{"/proc/self/mountinfo": rootMount}, doctor.Warn, "not mounted", "mount -t cgroup2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			env := doctor.Env{User: "u", UID: 1000, Root: root(t, tt.files)}
			f := find(t, doctor.Check(t.Context(), env), "cgroups")
			if f.Status != tt.status || !strings.Contains(f.Detail, tt.detail) || !strings.Contains(f.Fix, tt.fix) {
				t.Errorf("got %+v", f)
			}
		})
	}
}

func TestSystemdSession(t *testing.T) {
	booted := root(t, map[string]string{"/run/systemd/system/x": ""})
	dir := t.TempDir()
	socket := filepath.Join(dir, "bus")
	ask := func(env doctor.Env, status doctor.Status, detail string) {
		t.Helper()
		env.User, env.UID = "u", 1000
		f := find(t, doctor.Check(t.Context(), env), "systemd session")
		if f.Status != status || !strings.Contains(f.Detail, detail) {
			t.Errorf("got %+v", f)
		}
	}
	ask(doctor.Env{Root: t.TempDir()}, doctor.OK, "no systemd")
	ask(doctor.Env{Root: booted}, doctor.Warn, "no session bus")
	ask(doctor.Env{Root: booted, RuntimeDir: dir}, doctor.Warn, "no such file")

	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ask(doctor.Env{Root: booted, RuntimeDir: dir}, doctor.OK, socket)
	ask(doctor.Env{Root: booted, BusAddress: "tcp:host=x;unix:guid=1,path=" + socket}, doctor.OK, socket)
}

func TestLinger(t *testing.T) {
	off := root(t, map[string]string{"/run/systemd/system/x": ""})
	on := root(t, map[string]string{"/run/systemd/system/x": "", "/var/lib/systemd/linger/u": ""})
	for dir, want := range map[string]doctor.Status{off: doctor.Warn, on: doctor.OK, t.TempDir(): doctor.OK} {
		env := doctor.Env{User: "u", UID: 1000, Root: dir}
		if f := find(t, doctor.Check(t.Context(), env), "lingering"); f.Status != want {
			t.Errorf("got %+v, want %s", f, want)
		}
	}
}

func TestSecurityModules(t *testing.T) {
	// A directory in place of selinuxfs's context file refuses the write, as
	// the kernel does for a type that the policy lacks.
	selinux := func(enforce string, known bool, release string) string {
		files := map[string]string{"/sys/fs/selinux/enforce": enforce, "/etc/os-release": release}
		if known {
			files["/sys/fs/selinux/context"] = ""
		} else {
			files["/sys/fs/selinux/context/x"] = ""
		}
		return root(t, files)
	}
	for _, tt := range []struct {
		root, finding string
		status        doctor.Status
		detail, fix   string
	}{
		{t.TempDir(), "SELinux", doctor.OK, "not enabled", ""},
		{selinux("1", true, ""), "SELinux", doctor.OK, "enforcing", ""},
		{selinux("1", false, ""), "SELinux", doctor.Fail, "no container_t", "sudo semodule -i"},
		{selinux("1", false, "ID=fedora"), "SELinux", doctor.Fail, "no container_t", "sudo dnf install container-selinux"},
		{selinux("0", false, ""), "SELinux", doctor.Warn, "permissive", "sudo semodule -i"},
		{t.TempDir(), "AppArmor", doctor.OK, "not enabled", ""},
		{root(t, map[string]string{
			"/sys/module/apparmor/parameters/enabled": "Y\n", "/proc/self/attr/current": "unconfined\n",
		}), "AppArmor", doctor.OK, "under unconfined", ""},
	} {
		f := find(t, doctor.Check(t.Context(), doctor.Env{Root: tt.root, UID: 1000}), tt.finding)
		if f.Status != tt.status || !strings.Contains(f.Detail, tt.detail) || !strings.Contains(f.Fix, tt.fix) {
			t.Errorf("got %+v", f)
		}
	}
}

func TestNetHelpers(t *testing.T) {
	tools := t.TempDir()
	tool := func(name, script string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(tools, name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(network, name string, status doctor.Status, detail string) {
		t.Helper()
		env := doctor.Env{User: "u", UID: 1000, Path: tools, Network: network}
		f := find(t, doctor.Check(t.Context(), env), name)
		if f.Status != status || !strings.Contains(f.Detail, detail) {
			t.Errorf("got %+v", f)
		}
	}
	ask("", "slirp4netns", doctor.Fail, "not installed")
	ask("", "pasta", doctor.Warn, "not installed")
	ask("pasta", "slirp4netns", doctor.Warn, "not installed")
	ask("pasta", "pasta", doctor.Fail, "not installed")

	tool("slirp4netns", "echo slirp4netns version 1.2.0; echo commit: x; echo libslirp: 4.7.0")
	tool("pasta", "echo pasta unknown version; echo Copyright 2023 Red Hat")
	ask("", "slirp4netns", doctor.OK, "slirp4netns 1.2.0, libslirp 4.7.0")
	ask("", "pasta", doctor.OK, "/pasta")

	tool("slirp4netns", "echo slirp4netns version 0.4.3")
	tool("pasta", "exit 3")
	ask("", "slirp4netns", doctor.Fail, "too old")
	ask("", "pasta", doctor.Warn, "does not start")
}

func TestSurroundings(t *testing.T) {
	for _, tt := range []struct{ file, text, want string }{
		{"/etc/x", "", "directly on the host"},
		{"/run/.containerenv", "", "Podman"},
		{"/.dockerenv", "", "Docker"},
		{"/run/systemd/container", "lxc", "lxc"},
		{"/proc/sys/kernel/osrelease", "5.15.0-microsoft-standard-WSL2", "WSL"},
		{"/proc/self/uid_map", "0 1000 1", "user namespace"},
	} {
		env := doctor.Env{Root: root(t, map[string]string{tt.file: tt.text})}
		if f := find(t, doctor.Check(t.Context(), env), "surroundings"); !strings.Contains(f.Detail, tt.want) {
			t.Errorf("%s: got %+v", tt.file, f)
		}
	}
}

func TestLoginUID(t *testing.T) {
	for id, want := range map[string]doctor.Status{"": doctor.OK, "1000": doctor.OK, "4294967295": doctor.Warn} {
		env := doctor.Env{Root: root(t, map[string]string{"/proc/self/loginuid": id})}
		if f := find(t, doctor.Check(t.Context(), env), "login UID"); f.Status != want {
			t.Errorf("%q: got %+v", id, f)
		}
	}
}
