package vm_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestRunFromLogin(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	r := g.login("alice", "burrow run --rm "+busybox+" sh -c 'id -u; ip route | grep -c default; exit 7'")
	if r.Code != 7 || r.Stdout != "0\n1\n" {
		t.Errorf("got %+v, want root, one default route, exit 7", r)
	}
}

func TestContainerIsInCgroupOfItsUser(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	c := g.start("alice", busybox+" sleep 1000")
	const manager = "0::/user.slice/user-1000.slice/user@1000.service/"
	if got := g.proc(c, "cgroup"); !strings.HasPrefix(got, manager) || !strings.Contains(got, "/burrow.scope/burrow-") {
		t.Errorf("the container is in %s, want its own cgroup in a scope below %s", got, manager)
	}
	if got := g.must("alice", "burrow run --rm --network=none "+busybox+" cat /proc/self/cgroup"); got != "0::/\n" {
		t.Errorf("the container sees itself in %s", got)
	}
	if got := g.must("alice", "systemctl --user list-units --no-legend '*.scope'"); !strings.Contains(got, "burrow") {
		t.Errorf("no scope of burrow's: %s", got)
	}
}

var anchorScope = regexp.MustCompile(`^0::/user\.slice/user-1000\.slice/user@1000\.service/.*burrow\.scope/anchor\n$`)

func TestAnchorHasAScopeOfItsOwn(t *testing.T) {
	g := enterWithBurrow(t)
	g.run("alice", "burrow system migrate")
	g.login("alice", "burrow unshare true") // made in a session that has ended by now
	pid := g.anchor()
	if got := g.must("root", "cat /proc/"+pid+"/cgroup"); !anchorScope.MatchString(got) {
		t.Errorf("the anchor is in %q: the end of the session that made it would end it", got)
	}
	g.login("alice", "burrow unshare true")
	if got := g.anchor(); got != pid {
		t.Errorf("anchor %s after a new login, was %s", got, pid)
	}
	g.must("alice", "burrow system migrate")
	if g.run("root", "kill -0 "+pid).Code == 0 {
		t.Error("the anchor survives system migrate")
	}
}

func TestKilledRunTakesItsContainerAlong(t *testing.T) {
	g := enterWithBurrow(t)
	g.killedRunTakesItsContainerAlong()
}

func (g guest) killedRunTakesItsContainerAlong() {
	g.Helper()
	g.leavesNothing()
	c := g.start("alice", busybox+" sh -c 'sleep 1001 & sleep 1002 & wait'")
	g.must("alice", "pkill -KILL -f '[b]urrow run --name "+c.name+"'")
	const rest = "ps -u alice -o args= | grep -E '^sleep 100[12]|[s]lirp4netns'"
	for range 20 {
		if g.run("root", rest).Code != 0 {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	g.Errorf("goes on without its supervisor: %s", g.run("root", rest).Stdout)
}

// The end of a terminal is a SIGHUP to what runs in it; the payload gets to know.
func TestContainerHearsTheEndOfItsTerminal(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	c := g.start("alice", busybox+" sh -c 'trap \"exit 3\" HUP; while :; do sleep 0.3; done'")
	g.must("root", fmt.Sprintf("kill -HUP $(pgrep -f '[b]urrow run --name %s')", c.name))
	for range 20 {
		if g.run("root", fmt.Sprintf("kill -0 %d", c.pid)).Code != 0 {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	t.Error("the container outlives SIGHUP")
}
