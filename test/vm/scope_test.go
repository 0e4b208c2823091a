package vm_test

import (
	"strings"
	"testing"
)

const userManager = "/user.slice/user-1000.slice/user@1000.service"

// cgroupOf returns the cgroup of alice's process whose arguments are exactly args.
func (g guest) cgroupOf(args string) string {
	g.Helper()
	return strings.TrimSpace(g.must("root", `for i in $(seq 60); do
		pid=$(pgrep -u alice -x -f '`+args+`') && break
		sleep 0.5
	done; cut -d: -f3 /proc/$pid/cgroup`))
}

// A login is in a part of the tree that is root's, and the kernel lets nobody
// clone from there into a container's cgroup: the command has to move first.
func TestExecFromAnotherLogin(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	t.Cleanup(func() { g.run("alice", "burrow rm -f away") })
	g.ok("login", g.login("alice", "burrow run -d --name away --network=none --pids-limit 30 "+busybox+" sleep 2001"))
	first := g.cgroupOf("sleep 2001")
	if !strings.HasPrefix(first, userManager+"/app.slice/burrow.scope/burrow-") {
		t.Errorf("the container is in %s", first)
	}
	g.ok("login", g.login("alice", "burrow exec -d away sleep 2002"))
	if got := g.cgroupOf("sleep 2002"); got != first {
		t.Errorf("a further process is in %s, the first in %s", got, first)
	}
	supervisors := g.must("root", "for p in $(cat /sys/fs/cgroup"+userManager+"/app.slice/burrow.scope/supervisor/cgroup.procs); do tr '\\0' ' ' </proc/$p/cmdline; echo; done")
	if strings.Count(supervisors, "burrow") != 1 {
		t.Errorf("supervisors in the scope: %q, want one", supervisors)
	}
}

// Both, a service's own limits and those of its slice, go on to hold for what it runs.
func TestDelegatedServiceKeepsItsContainer(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	t.Cleanup(func() { g.run("alice", "systemctl --user kill -s KILL kept; systemctl --user reset-failed kept") })
	g.must("alice", "systemd-run --user -q --unit=kept -p Delegate=yes burrow run --rm --network=none "+busybox+" sleep 2003")
	if got := g.cgroupOf("sleep 2003"); !strings.HasPrefix(got, userManager+"/app.slice/kept.service/burrow-") {
		t.Errorf("the container of a delegated service is in %s", got)
	}
}

func TestCgroupParentIsASlice(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	c := g.start("alice", "--network=none --cgroup-parent jobs.slice --pids-limit 17 "+busybox+" sleep 2004")
	at := strings.TrimPrefix(g.proc(c, "cgroup"), "0::")
	if !strings.HasPrefix(at, userManager+"/jobs.slice/burrow-") {
		t.Errorf("the container is in %s", at)
	}
	if got := g.must("root", "cat /sys/fs/cgroup"+at+"/pids.max"); got != "17\n" {
		t.Errorf("pids.max %q", got)
	}
	g.must("alice", "systemctl --user stop burrow-*.scope")
	if r := g.run("root", "for i in $(seq 40); do [ -d /sys/fs/cgroup"+userManager+"/jobs.slice/burrow-* ] || exit 0; sleep 0.5; done; exit 1"); r.Code != 0 {
		t.Error("the scope is still there after stop")
	}
}

// The kernel would let root of the container, who is alice outside, lift limits that he can write to.
func TestLimitsHoldForSysAdmin(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	got := g.run("alice", "burrow run --rm --network=none --cap-add SYS_ADMIN --security-opt seccomp=unconfined --pids-limit 25 "+
		busybox+" sh -c 'mkdir /tmp/c && mount -t cgroup2 none /tmp/c && { echo max >/tmp/c/pids.max; "+strings.ReplaceAll(bomb, "/sys/fs/cgroup", "/tmp/c")+"; }'")
	if !strings.Contains(got.Stdout, "now ") || strings.Contains(got.Stdout, "now 2048") {
		t.Fatalf("%+v", got)
	}
	_, now, _ := strings.Cut(strings.TrimSpace(got.Stdout), "now ")
	if len(now) > 2 || now > "25" {
		t.Errorf("%s processes under a limit of 25: %+v", now, got)
	}
}

func TestOutOfMemoryIsSaid(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	r := g.run("alice", "burrow run --name hog --network=none --memory 40m "+busybox+` sh -c 'x=$(head -c 100m /dev/zero | tr "\0" x)'`)
	if r.Code != 137 || !strings.Contains(r.Stderr, "out of memory") {
		t.Errorf("%+v", r)
	}
	if got := g.must("alice", "burrow inspect --type container -f '{{.State.OOMKilled}}' hog; burrow rm hog >/dev/null"); got != "true\n" {
		t.Errorf("OOMKilled %q", got)
	}
}
