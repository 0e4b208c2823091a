package security

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/moby/profiles/seccomp"
	"golang.org/x/sys/unix"
)

func profileFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "profile.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func compileProfile(t testing.TB, text string, extra ...string) (*Program, error) {
	t.Helper()
	p, err := Compile(Options{SecurityOpt: append(extra, "seccomp="+profileFile(t, text))}, testHost())
	if err != nil {
		return nil, err
	}
	return p.Seccomp.Program("")
}

func TestProfileFormats(t *testing.T) {
	needX86(t)
	moby, err := json.Marshal(seccomp.DefaultProfile())
	if err != nil {
		t.Fatal(err)
	}
	const native, mkdir, umount = 0xc000003e, 83, 166
	for name, c := range map[string]struct {
		text  string
		mkdir uint32
	}{
		"docker": {string(moby), retAllow},
		"docker, one name": {
			`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"mkdir","action":"SCMP_ACT_ERRNO","args":[]}]}`, retPerm,
		},
		"oci": {
			`{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_X86_64","SCMP_ARCH_X86","SCMP_ARCH_X32"],
			"syscalls":[{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":38}]}`, retNoSys,
		},
		"podman's errno": {
			`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrno":"ENOSYS","defaultErrnoRet":1,
			"syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errno":"EINVAL","comment":"x"}]}`, retInval,
		},
		"kill": {`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_KILL_PROCESS"}]}`, retKill},
		"arguments": {
			`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO",
			"args":[{"index":1,"value":7,"op":"SCMP_CMP_NE"}]}]}`, retPerm,
		},
		"newer than the library": {
			`{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir","listns"],"action":"SCMP_ACT_ERRNO"}]}`, retPerm,
		},
	} {
		t.Run(name, func(t *testing.T) {
			prog, err := compileProfile(t, c.text)
			if err != nil {
				t.Fatal(err)
			}
			m := newMachine(t, prog)
			if got := m.run(t, native, mkdir, [6]uint64{}); got != c.mkdir {
				t.Errorf("mkdir: %#x, want %#x", got, c.mkdir)
			}
			if name == "newer than the library" && m.run(t, native, 470, [6]uint64{}) != retPerm {
				t.Error("listns is not refused")
			}
			if got := m.run(t, auditI386, 39, [6]uint64{}); got != retKill {
				t.Errorf("i386: %#x, want kill, whatever the profile says", got)
			}
			if got := m.run(t, native, mkdir|x32Bit, [6]uint64{}); got != retNoSys {
				t.Errorf("x32: %#x, want ENOSYS", got)
			}
			if name == "docker" && m.run(t, native, umount, [6]uint64{}) != retPerm {
				t.Error("umount2 is not refused")
			}
		})
	}
}

// TestProfileOfThePackages takes the file that Debian's podman uses.
func TestProfileOfThePackages(t *testing.T) {
	const path = "/usr/share/containers/seccomp.json"
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no golang-github-containers-common here: %v", err)
	}
	p := mustCompile(t, Options{SecurityOpt: []string{"seccomp=" + path}}, Probe())
	if _, err := p.Seccomp.Program(""); err != nil {
		t.Error(err)
	}
}

func TestProfileRefused(t *testing.T) {
	deep := strings.Repeat(`{"x":`, 20000) + "1" + strings.Repeat("}", 20000)
	for name, text := range map[string]string{
		"empty":            "",
		"not JSON":         "seccomp",
		"empty object":     "{}",
		"null":             "null",
		"array":            "[]",
		"two documents":    `{"defaultAction":"SCMP_ACT_ERRNO"}{"defaultAction":"SCMP_ACT_ALLOW"}`,
		"misspelt key":     `{"defaultAction":"SCMP_ACT_ALLOW","syscals":[]}`,
		"unknown action":   `{"defaultAction":"ALLOW"}`,
		"notify":           `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_NOTIFY"}]}`,
		"listener":         `{"defaultAction":"SCMP_ACT_ERRNO","listenerPath":"/x"}`,
		"flag":             `{"defaultAction":"SCMP_ACT_ERRNO","flags":["SECCOMP_FILTER_FLAG_NEW_LISTENER"]}`,
		"null rule":        `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[null]}`,
		"nameless rule":    `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_ERRNO"}]}`,
		"empty name":       `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":[""],"action":"SCMP_ACT_ERRNO"}]}`,
		"unknown name":     `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdri"],"action":"SCMP_ACT_ERRNO"}]}`,
		"name and names":   `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"name":"a","names":["mkdir"],"action":"SCMP_ACT_ERRNO"}]}`,
		"operator":         `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"op":"SCMP_CMP_XX"}]}]}`,
		"beside the mask":  `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"valueTwo":2,"op":"SCMP_CMP_MASKED_EQ"}]}]}`,
		"argument":         `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","args":[{"index":6,"op":"SCMP_CMP_EQ"}]}]}`,
		"errno name":       `{"defaultAction":"SCMP_ACT_ERRNO","defaultErrno":"ENOTHING"}`,
		"errno number":     `{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":65537}`,
		"archMap and list": `{"defaultAction":"SCMP_ACT_ERRNO","architectures":["SCMP_ARCH_X86"],"archMap":[{"architecture":"SCMP_ARCH_X86"}]}`,
		"deep":             deep,
		"newer with args":  `{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["listns"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"op":"SCMP_CMP_EQ"}]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := compileProfile(t, text); !errors.Is(err, ErrProfile) {
				t.Errorf("got %v, want ErrProfile", err)
			}
		})
	}
}

// TestProfileFileRefused is fault F45: a file that cannot be trusted stops the
// start.
func TestProfileFileRefused(t *testing.T) {
	const good = `{"defaultAction":"SCMP_ACT_ALLOW"}`
	refuse := func(name, path string) {
		t.Helper()
		if _, err := Compile(Options{SecurityOpt: []string{"seccomp=" + path}}, testHost()); !errors.Is(err, ErrProfile) {
			t.Errorf("%s: got %v, want ErrProfile", name, err)
		}
	}
	dir := t.TempDir()
	refuse("missing", filepath.Join(dir, "missing"))
	refuse("directory", dir)
	refuse("device", "/dev/zero")
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	refuse("fifo", fifo)
	open := profileFile(t, good)
	if err := os.Chmod(open, 0o666); err != nil {
		t.Fatal(err)
	}
	refuse("world-writable", open)
	large := profileFile(t, good+strings.Repeat(" ", maxProfile))
	refuse("large", large)
	if os.Geteuid() == 0 {
		foreign := profileFile(t, good)
		for _, uid := range []int{12345, overflowUID} {
			if err := os.Chown(foreign, uid, 0); err != nil {
				t.Fatal(err)
			}
			refuse("foreign", foreign)
		}
		group := profileFile(t, good)
		if err := os.Chown(group, 0, 12345); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(group, 0o660); err != nil {
			t.Fatal(err)
		}
		refuse("group-writable", group)
	}
	if _, err := Compile(Options{SecurityOpt: []string{"seccomp=" + profileFile(t, good)}}, testHost()); err != nil {
		t.Errorf("control: %v", err)
	}
}

// FuzzProfile: no input may crash, and what compiles must compile the same way
// again and never let x32 in.
func FuzzProfile(f *testing.F) {
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ERRNO","archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X32"]}],
		"syscalls":[{"name":"bpf","action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_BPF"],"minKernel":"5.8"},"excludes":{"arches":["arm"]}}]}`))
	f.Add([]byte(`{"defaultAction":"SCMP_ACT_ERRNO","defaultErrno":"ENOSYS","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		filter := &Filter{path: "fuzz", profile: data, caps: capDefault, arch: "amd64", kernel: "6.1"}
		p, err := filter.Program("")
		if err != nil {
			return
		}
		if got := newMachine(t, p).run(t, abis["amd64"].audit, x32Bit, [6]uint64{}); got != retNoSys {
			t.Errorf("x32: %#x", got)
		}
	})
}
