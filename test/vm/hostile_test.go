package vm_test

import (
	"fmt"
	"strings"
	"testing"
)

// Hosts that forbid what Burrow needs. Each is one clear line, one hint that helps,
// exit 125, and leaves nothing; or it works.

func TestHidepid(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	g.must("root", "mount -o remount,hidepid=2 /proc")
	t.Cleanup(func() { g.must("root", "mount -o remount,hidepid=0 /proc") })
	g.run("alice", "burrow system migrate") // so that the anchor is made under hidepid too
	r := g.run("alice", "burrow run --rm "+busybox+" sh -c 'id -u; readlink /proc/self'")
	if r.Code != 0 || !strings.HasPrefix(r.Stdout, "0\n") {
		t.Errorf("under hidepid=2: %+v", r)
	}
}

func TestKernelForbidsUserNamespaces(t *testing.T) {
	g := enterWithBurrow(t)
	for _, c := range []struct{ name, forbid, allow, hint string }{
		{"max_user_namespaces", "user.max_user_namespaces=0", "user.max_user_namespaces=5000", "user.max_user_namespaces"},
		{"unprivileged_userns_clone", "kernel.unprivileged_userns_clone=0", "kernel.unprivileged_userns_clone=1", "kernel.unprivileged_userns_clone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := guest{TB: t, machine: g.machine}
			g.leavesNothing()
			t.Cleanup(func() { g.must("root", "sysctl -w "+c.allow) })
			// With the anchor of an earlier run, and without.
			const run = "burrow run --rm --network=none " + busybox + " true"
			g.must("root", "sysctl -w "+c.forbid)
			if r := g.run("alice", run); r.Code != 0 {
				g.refused(r, "user namespace", c.hint)
			}
			g.run("alice", "burrow system migrate")
			r := g.run("alice", run)
			g.refused(r, "user namespace", c.hint)
			if g.run("alice", "burrow doctor").Code == 0 {
				t.Error("doctor says that containers can run")
			}
			g.followHint(r.Stderr)
			g.must("alice", run)
		})
	}
}

// followHint does as root what the hint line says, up to its first semicolon.
func (g guest) followHint(stderr string) {
	g.Helper()
	_, advice, ok := strings.Cut(stderr, "\nhint: ")
	if !ok {
		g.Errorf("no hint: %s", stderr)
		return
	}
	command, _, _ := strings.Cut(strings.TrimPrefix(advice, "sudo "), ";")
	g.must("root", strings.TrimSpace(command))
}

func TestRunWithoutSession(t *testing.T) {
	g := enterWithBurrow(t)
	// No XDG_RUNTIME_DIR, no bus, no HOME: what a bare service gives.
	r := g.run("root", "systemd-run --uid=alice -P -q env -i PATH=/usr/bin:/bin:/usr/local/bin HOME=/home/alice burrow run --rm --network=none "+busybox+" id -u")
	if r.Code != 0 || r.Stdout != "0\n" {
		t.Errorf("%+v", r)
	}
	t.Cleanup(func() {
		g.run("root", "systemd-run --uid=alice -P -q env -i PATH=/usr/bin:/bin:/usr/local/bin HOME=/home/alice burrow system migrate")
	})
}

// What a bare service of alice's has started is hers when she is logged in, and the
// other way round.
func TestSessionsReachEachOther(t *testing.T) {
	g := enterWithBurrow(t)
	const bare = "systemd-run --uid=alice -P -q env -i PATH=/usr/bin:/bin:/usr/local/bin HOME=/home/alice "
	t.Cleanup(func() { g.run("alice", "burrow rm -f -t 0 bare session; burrow system migrate") })
	for _, first := range []string{"bare", "session"} {
		g.run("alice", "burrow rm -f -t 0 bare session; burrow system migrate")
		start := map[string]func(){
			"bare": func() {
				g.must("root", bare+"burrow run -d --name bare --network=none -u 33 "+busybox+" sleep 1000")
			},
			"session": func() {
				g.must("alice", "burrow run -d --name session --network=none -u 33 "+busybox+" sleep 1000")
			},
		}
		start[first]()
		start[map[string]string{"bare": "session", "session": "bare"}[first]]()
		if got := g.must("alice", "burrow exec bare id -u"); strings.TrimSpace(got) != "33" {
			t.Errorf("%s first: exec in the service's container: %q", first, got)
		}
		if got := g.must("root", bare+"burrow exec session id -u"); strings.TrimSpace(got) != "33" {
			t.Errorf("%s first: exec in the session's container: %q", first, got)
		}
		g.must("alice", "burrow stop -t 1 bare")
		g.must("root", bare+"burrow stop -t 1 session")
	}
}

// Root has no sub-IDs on a fresh machine, and is never mapped into a container.
func TestRootRunsAsItsSubID(t *testing.T) {
	g := enterWithBurrow(t)
	t.Cleanup(func() {
		g.run("root", "burrow system migrate; sed -i /^root:/d /etc/subuid /etc/subgid; rm -rf /var/lib/burrow")
	})
	r := g.run("root", "burrow import /mnt/payload/images/busybox.tar busybox")
	g.refused(r, "sub", "usermod")
	g.followHint(r.Stderr)
	g.image("root", busybox)
	c := g.start("root", busybox+" sleep 1020")
	if got := strings.Fields(g.must("root", fmt.Sprintf("ps -o uid=,gid= -p %d; cat /proc/%d/uid_map", c.pid, c.pid))); got[0] == "0" || got[1] == "0" || got[3] == "0" {
		t.Errorf("root's container runs as %v", got)
	}
}
