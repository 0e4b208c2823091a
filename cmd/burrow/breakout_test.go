package main_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Answers to a question of somebody who got out.
const (
	nothing = "ok" // nothing stops him
	denied  = "EACCES"
	refused = "EPERM"
)

// escapes is what the root of a container may do once he is out of its mount, pid and
// network namespaces: by what is left of the layers, and, as the control, without.
var escapes = []struct {
	question string
	// With Landlock; without it; without it and with --userns=auto.
	landlock, ids, auto string
	// control is who must be let through, or the question says nothing.
	control string
}{
	{"home:read", denied, nothing, denied, "ids"},
	{"home-write:create", denied, nothing, denied, "ids"},
	{"other's root:read", denied, nothing, denied, "ids"},
	{"other's user:read", denied, denied, denied, "anchor"},
	{"host process:environ", denied, denied, denied, "user"},
	{"other's process:environ", denied, denied, denied, "anchor"},
	{"host process:trace", refused, refused, refused, "user"},
	{"other's process:trace", refused, refused, refused, "anchor"},
	{"host process:signal", refused, nothing, refused, "ids"},
	{"other's process:signal", refused, nothing, refused, "ids"},
	{"abstract socket:abstract", refused, nothing, nothing, "ids"},
}

// TestBreakOut takes a process that has the credentials of a container's root and has
// lost the mount, pid and network namespaces, and shows what the next layer stops.
func TestBreakOut(t *testing.T) {
	build(t, "breakout") // in the parent of all children
	asUser(t, func(t *testing.T, sh *shell) {
		tool := filepath.Join(ground.Dir, "breakout")
		unique := sh.start("unique", "debian", "sleep", "1000")
		auto := sh.start("auto", "--userns=auto", "debian", "sleep", "1000")
		anchor := sh.start("anchor", "--userns=host", "debian", "sleep", "1000")
		ask := questions(t, sh)
		const rest = "user,ipc,uts,cgroup" // all but mnt, pid, net
		who := map[string]map[string]string{
			"landlock": sh.breakOut(tool, unique, rest+",landlock", ask),
			"ids":      sh.breakOut(tool, unique, rest, ask),
			"auto":     sh.breakOut(tool, auto, rest, ask),
			"anchor":   sh.breakOut(tool, anchor, rest, ask),
			"user":     sh.breakOut(tool, unique, "none", ask),
		}
		for _, e := range escapes {
			key := strings.ReplaceAll(e.question, ":", " ")
			for left, want := range map[string]string{"landlock": e.landlock, "ids": e.ids, "auto": e.auto, e.control: nothing} {
				if got := who[left][key]; got != want {
					t.Errorf("%s, %s: %q, want %q", key, left, got, want)
				}
			}
		}
		// Whoever is out of one of them alone meets the others.
		for left, question := range map[string]string{
			rest + ",net,mnt": "host process signal",      // of the pid namespace
			rest + ",net,pid": "home read",                // of the mount namespace
			rest + ",pid,mnt": "abstract socket abstract", // of the network namespace
		} {
			if got := sh.breakOut(tool, unique, left+",landlock", ask)[question]; got == nothing || got == "" {
				t.Errorf("in %s: %s: %q", left, question, got)
			}
		}
	})
}

// questions prepares what is worth having: a file of the user's, files of another
// container's root and of its user, processes outside and in there, a socket.
func questions(t *testing.T, sh *shell) []string {
	t.Helper()
	canary := filepath.Join(sh.user.Home, "CANARY")
	if err := os.WriteFile(canary, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(canary) })
	other := sh.start("other", "debian", "sleep", "1000")
	sh.run("burrow", "exec", "other", "sh", "-c", "umask 077; echo secret >/root/secret")
	sh.run("burrow", "exec", "-u", "1000", "other", "sh", "-c", "umask 077; echo secret >/tmp/secret")
	id := strings.TrimSpace(sh.run("burrow", "inspect", "-f", "{{.Id}}", "other"))
	upper := filepath.Join(sh.getenv("XDG_STATE_HOME"), "burrow", "containers", id, "upper")
	outside := exec.Command("sleep", "1000")
	sh.user.Become(outside)
	if err := outside.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = outside.Process.Kill()
		_ = outside.Wait()
	})
	name := fmt.Sprintf("burrow-breakout-%d", os.Getpid())
	l, err := net.Listen("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	args := map[string]string{
		"home": canary, "home-write": sh.user.Home, "other's root": upper + "/root/secret", "other's user": upper + "/tmp/secret",
		"host process": strconv.Itoa(outside.Process.Pid), "other's process": strconv.Itoa(other), "abstract socket": name,
	}
	out := make([]string, 0, len(escapes))
	for _, e := range escapes {
		name, kind, _ := strings.Cut(e.question, ":")
		out = append(out, name+" "+kind+":"+kind+"="+args[name])
	}
	return out
}

// breakOut asks as the root of the container with that first process, in the layers
// that are named.
func (sh *shell) breakOut(tool string, pid int, layers string, questions []string) map[string]string {
	sh.t.Helper()
	out := sh.run(append([]string{tool, strconv.Itoa(pid), layers}, questions...)...)
	answers := map[string]string{}
	for line := range strings.Lines(out) {
		i := strings.LastIndex(strings.TrimSpace(line), " ")
		answers[line[:i]] = strings.TrimSpace(line[i:])
	}
	return answers
}

// TestLeakedDirectories hands a container directories of the host, of another container
// and of the caller's home as descriptors, as if they had leaked in.
func TestLeakedDirectories(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		canary := filepath.Join(sh.user.Home, "CANARY")
		if err := os.WriteFile(canary, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(canary)
		other := sh.start("other", "debian", "sleep", "1000")
		sh.run("burrow", "exec", "other", "sh", "-c", "umask 077; echo secret >/root/secret")
		sh.run("burrow", "exec", "-u", "1000", "other", "sh", "-c", "umask 077; echo secret >/tmp/secret")
		otherRoot := fmt.Sprintf("/proc/%d/root", other)
		const off = " --security-opt=landlock=off"
		for _, c := range []struct {
			what, dir, file string
			ids, auto       bool // whether the file is had without Landlock, and then with --userns=auto too
		}{
			{"the host", "/", "etc/passwd", true, true}, // for all to read
			{"the home", sh.user.Home, "CANARY", true, false},
			{"another container's root", otherRoot, "root/secret", true, false},
			{"another container's user", otherRoot, "tmp/secret", false, false},
		} {
			for flags, want := range map[string]bool{
				"": false, "--userns=auto": false, // Landlock
				off: c.ids, "--userns=auto" + off: c.auto,
				"--userns=host" + off: true, // the control of both: all IDs of the user, and no domain
			} {
				if got := sh.leak(c.dir, c.file, flags); got != want {
					t.Errorf("%s, %q: read: %v, want %v", c.what, flags, got, want)
				}
			}
		}
		// What is open as a file is read whatever there is: no layer looks again.
		script := fmt.Sprintf("exec 3<%s; burrow run --rm --preserve-fd=3 busybox sh -c 'cat <&3'", canary)
		if out := sh.run("sh", "-c", script); out != "secret" {
			t.Errorf("an open file: %q", out)
		}
	})
}

// leak says whether a container gets the file below a directory that it has open.
func (sh *shell) leak(dir, file, flags string) bool {
	sh.t.Helper()
	script := fmt.Sprintf("exec 3<%s; exec burrow run --rm --preserve-fd=3 %s busybox cat /proc/self/fd/3/%s", dir, flags, file)
	r := sh.try("sh", "-c", script)
	if r.code != 0 && !strings.Contains(r.err, "Permission denied") {
		sh.t.Errorf("%s: exit code %d: %s", script, r.code, r.err)
	}
	return r.code == 0
}
