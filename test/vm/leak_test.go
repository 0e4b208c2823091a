package vm_test

import (
	"fmt"
	"strings"
	"testing"
)

// What a process meets with SELinux that holds a directory which it should not have,
// or sees the host's whole tree: nothing there has its label. A directory is even taken
// away when it becomes what it is. A file that is open stays so, as its standard
// streams may be such files. Landlock is off, and it has alice's own UID.
func TestSELinuxHoldsWhatLeakedIn(t *testing.T) {
	g := enterConfined(t)
	g.leavesNothing()
	dir := g.volume("leaked")
	other := g.start("alice", busybox+" sh -c 'echo secret >/secret; sleep 1013'")
	for what, c := range map[string]struct{ first, flags, command, had string }{
		"a directory of the home":  {"exec 3<" + dir, "--preserve-fd=3", "cat /proc/self/fd/3/file", ""},
		"an open file of the home": {"exec 3<" + dir + "/file", "--preserve-fd=3", "sh -c 'cat <&3'", "secret\n"},
		"another container's root": {fmt.Sprintf("exec 3</proc/%d/root", other.pid), "--preserve-fd=3", "cat /proc/self/fd/3/secret", ""},
		"the host's tree, mounted": {"true", "-v /:/host:ro", "cat /host" + dir + "/file", ""},
	} {
		read := func(flag string) string {
			r := g.run("alice", c.first+"; burrow run --rm --network=none --security-opt landlock=off "+flag+" "+c.flags+" "+busybox+" "+c.command)
			// The descriptor of a directory has become one of selinuxfs's null device.
			if r.Code != 0 && !strings.Contains(r.Stderr, "Permission denied") && !strings.Contains(r.Stderr, "Not a directory") {
				t.Errorf("%s, %s: %+v", what, flag, r)
			}
			return r.Stdout
		}
		if got := read(""); got != c.had {
			t.Errorf("%s: read %q, want %q", what, got, c.had)
		}
		if got := read("--security-opt label=disable"); got != "secret\n" {
			t.Errorf("%s, without a label: %q: the control reads nothing", what, got)
		}
	}
}

// With systemd, cgroup v2 and labels a container is what was asked for too.
func TestPostureAsAsked(t *testing.T) {
	g := enterConfined(t)
	g.leavesNothing()
	for _, command := range []string{
		"burrow doctor --posture",
		"burrow run --rm --security-report --network=none --memory=64m -v named:/v --userns=auto " + busybox + " true 2>&1",
		"burrow run --rm --security-report --network=none --cap-add=SYS_ADMIN --security-opt label=disable " + busybox + " true 2>&1",
	} {
		r := g.run("alice", command)
		if r.Code != 0 || !strings.Contains(r.Stdout, "all as asked for") {
			t.Errorf("%s: exit code %d\n%s%s", command, r.Code, r.Stdout, r.Stderr)
		}
	}
	g.run("alice", "burrow volume rm named")
	// It says which label that is.
	r := g.run("alice", "burrow run --rm --security-report --network=none "+busybox+" true 2>&1")
	if !strings.Contains(r.Stdout, ":container_t:s0:c") || !strings.Contains(r.Stdout, "mount /sys/fs/cgroup") {
		t.Errorf("%+v", r)
	}
}
