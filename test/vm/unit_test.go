package vm_test

import (
	"strings"
	"testing"
)

// The unit that is installed makes the anchor, and stopping it ends containers and anchor.
func TestAnchorUnit(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	const unit = "burrow-anchor.service"
	t.Cleanup(func() {
		g.run("root", "rm -f /etc/systemd/user/"+unit)
		g.run("alice", "systemctl --user daemon-reload")
	})
	g.must("root", "sed s#@BINDIR@#/usr/local/bin# /mnt/payload/contrib/systemd/user/"+unit+" >/etc/systemd/user/"+unit)
	g.run("alice", "burrow system migrate")
	g.must("alice", "systemctl --user daemon-reload && systemctl --user start "+unit)
	made := g.anchor()
	g.must("alice", "burrow run -d --name of-the-unit --network=none "+busybox+" sh -c 'trap \"exit 3\" TERM; while :; do sleep 0.1; done'")
	if now := g.anchor(); now != made {
		t.Errorf("the anchor of the unit was %s, of the container it is %s", made, now)
	}
	g.must("alice", "systemctl --user stop "+unit)
	if got := g.must("alice", "burrow ps -a --format '{{.Status}}'"); !strings.HasPrefix(got, "Exited (3)") {
		t.Errorf("after the stop of the unit the container is %q, want it ended in its own way", got)
	}
	if g.run("root", "kill -0 "+made).Code == 0 {
		t.Error("the anchor that the unit was to end still runs")
	}
	g.must("alice", "burrow rm of-the-unit")
}
