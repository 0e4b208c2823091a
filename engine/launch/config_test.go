package launch

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/security"
)

// What libcontainer is told, for one container with everything.
func TestLibcontainerConfig(t *testing.T) {
	score := 7
	c := Config{
		ID: "x", Rootfs: "/root", ReadOnly: true, Hostname: "h", Umask: 0o27, OOMScore: &score, DieWithParent: true, SharedRoot: true,
		Namespaces: Namespaces{PID: Namespace{Path: "/pid"}, Net: Namespace{Path: "/net"}, Time: Namespace{Host: true}, UTS: Namespace{}},
		UIDs:       idmap.Map{{Container: 0, Host: 0, Count: 1}, {Container: 1, Host: 5, Count: 9}}, GIDs: idmap.Map{{Container: 0, Host: 3, Count: 4}},
		Mounts: []Mount{
			{Type: "bind", Source: "/s", Dest: "/d", Flags: unix.MS_BIND, Propagation: []uintptr{unix.MS_SLAVE}, Recursive: unix.MOUNT_ATTR_NOSUID},
			{Type: "tmpfs", Source: "tmpfs", Dest: "/t", Data: "mode=1", CopyUp: true},
		},
		Devices: []Device{{Path: "/dev/null", Type: 'c', Major: 1, Minor: 3}},
		Sysctls: map[string]string{"a": "b"},
	}
	c.Policy.Capabilities = security.Capabilities{Bounding: []string{"CAP_KILL"}, Effective: []string{"CAP_KILL"}, Permitted: []string{"CAP_KILL"}}
	c.Policy.MaskedPaths, c.Policy.ReadonlyPaths, c.Policy.NoNewPrivileges = []string{"/m"}, []string{"/r"}, true
	c.Policy.Rlimits = []security.Rlimit{{Type: "RLIMIT_NOFILE", Soft: 1, Hard: 2}}
	got, err := lcConfig(c)
	must(t, err)
	for name, ok := range map[string]bool{
		"root":            got.Rootfs == "/root" && got.Readonlyfs && got.RootPropagation == unix.MS_SLAVE|unix.MS_REC,
		"process":         *got.Umask == 0o27 && *got.OomScoreAdj == 7 && got.ParentDeathSignal == int(unix.SIGKILL) && got.NoNewPrivileges,
		"hostname":        got.Hostname == "h",
		"namespaces":      len(got.Namespaces) == 7 && got.Namespaces.PathOf(configs.NEWPID) == "/pid" && got.Namespaces.PathOf(configs.NEWNET) == "/net" && !got.Namespaces.Contains(configs.NEWTIME),
		"own namespaces":  got.Namespaces.IsPrivate(configs.NEWUSER) && got.Namespaces.IsPrivate(configs.NEWNS) && got.Namespaces.IsPrivate(configs.NEWIPC),
		"maps":            fmt.Sprint(got.UIDMappings, got.GIDMappings) == "[{0 0 1} {1 5 9}] [{0 3 4}]",
		"bind":            got.Mounts[0].Device == "bind" && got.Mounts[0].PropagationFlags[0] == unix.MS_SLAVE && got.Mounts[0].RecAttr.Attr_set == unix.MOUNT_ATTR_NOSUID,
		"tmpfs":           got.Mounts[1].Data == "mode=1" && got.Mounts[1].Extensions == configs.EXT_COPYUP && got.Mounts[1].RecAttr == nil,
		"device":          got.Devices[0].Path == "/dev/null" && got.Devices[0].Minor == 3 && got.Devices[0].Type == 'c',
		"no inheritable":  len(got.Capabilities.Inheritable)+len(got.Capabilities.Ambient) == 0 && got.Capabilities.Bounding[0] == "CAP_KILL",
		"paths":           got.MaskPaths[0] == "/m" && got.ReadonlyPaths[0] == "/r",
		"limits":          got.Rlimits[0] == configs.Rlimit{Type: unix.RLIMIT_NOFILE, Soft: 1, Hard: 2},
		"sysctl":          got.Sysctl["a"] == "b",
		"filter in gate":  got.Seccomp == nil,
		"setgroups works": !got.RootlessEUID,
	} {
		if !ok {
			b, _ := json.MarshalIndent(got, "", " ")
			t.Errorf("%s is wrong in %s", name, b)
		}
	}

	c.Namespaces = Namespaces{User: Namespace{Host: true}, UTS: Namespace{Path: "/uts"}}
	c.KeepGroups, c.DieWithParent, c.SharedRoot, c.Policy.NoNewPrivileges = true, false, false, false
	got, err = lcConfig(c)
	must(t, err)
	if got.Hostname != "" || len(got.UIDMappings) != 0 || !got.RootlessEUID || got.ParentDeathSignal != 0 || got.RootPropagation != unix.MS_PRIVATE|unix.MS_REC {
		t.Errorf("%+v", got)
	}
	c.Namespaces.UTS = Namespace{Host: true}
	if got, err = lcConfig(c); err != nil || got.Hostname != "" {
		t.Errorf("another's name would be changed: %q %v", got.Hostname, err)
	}
	c.Policy.Rlimits = []security.Rlimit{{Type: "RLIMIT_X"}}
	if _, err := lcConfig(c); err == nil {
		t.Error("an unknown limit passed")
	}
}

// Without no_new_privs libcontainer loads the filter, as it must.
func TestFilterWithoutNoNewPrivs(t *testing.T) {
	p, err := security.Compile(security.Options{SecurityOpt: []string{"no-new-privileges=false"}}, security.Probe())
	must(t, err)
	got, err := lcConfig(Config{Policy: p})
	if err != nil || got.Seccomp == nil || got.NoNewPrivileges {
		t.Errorf("%+v %v", got.Seccomp, err)
	}
	if rlimitNumbers["RLIMIT_CORE"] != unix.RLIMIT_CORE || len(rlimitNumbers) != 16 {
		t.Error("limits are missing")
	}
}

func TestProcess(t *testing.T) {
	program, status, kept := os.Stdin, os.Stdout, os.Stderr
	p := newProcess(Config{
		Args: []string{"secret"}, Env: []string{"SECRET=1"}, UID: 3, GID: 4, Groups: []uint32{5}, Cwd: "/w",
		PreserveFDs: []*os.File{nil, kept},
	}, program, status)
	if fmt.Sprint(p.Args) != "[/proc/self/exe gate:5:6]" || fmt.Sprint(p.Env) != "[HOME=/]" {
		t.Errorf("%q %q", p.Args, p.Env)
	}
	if len(p.ExtraFiles) != 4 || p.ExtraFiles[0] != program || p.ExtraFiles[1] != kept || p.ExtraFiles[2] != program || p.ExtraFiles[3] != status {
		t.Errorf("%v", p.ExtraFiles)
	}
	if p.UID != 3 || p.GID != 4 || p.AdditionalGroups[0] != 5 || p.Cwd != "/w" || !p.Init {
		t.Errorf("%+v", p)
	}
}

func TestInitError(t *testing.T) {
	for in, want := range map[string]string{
		"unable to start container process: error during container init: mkdir /x: y": "start container: mkdir /x: y",
		"unable to start container process: z":                                        "start container: z",
		"other":                                                                       "start container: other",
	} {
		err := initError(fmt.Errorf("%s", in))
		if err.Error() != want {
			t.Errorf("%q: %q", in, err)
		}
	}
}

// testRoot is a root filesystem that can run this executable and a shell.
func testRoot(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	must(t, os.Chmod(root, 0o755))
	for _, dir := range []string{"bin", "proc", "dev", "tmp"} {
		must(t, os.Mkdir(filepath.Join(root, dir), 0o755))
	}
	for _, f := range append(libraries(t), "/bin/busybox") {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Skip(err)
		}
		must(t, os.MkdirAll(filepath.Join(root, filepath.Dir(f)), 0o755))
		must(t, os.WriteFile(filepath.Join(root, f), b, 0o755))
	}
	must(t, os.Symlink("busybox", root+"/bin/sh"))
	return root
}

var library = regexp.MustCompile(`(?m)/[^ ]+\.so[^ ]*`)
