package vm_test

import (
	"fmt"
	"strings"
	"testing"
)

// What TestAttribution must be able to see: each of these processes breaks a rule.
func TestAttributionControls(t *testing.T) {
	g := enterCrowd(t)
	c := g.start("alice", busybox+" sleep 1000")
	procs := "/sys/fs/cgroup" + strings.TrimPrefix(g.proc(c, "cgroup"), "0::") + "/cgroup.procs"
	misnamed := g.start("alice", "-e BURROW_MARK=alice/another "+busybox+" sleep 1000")
	plants := []struct{ rules, user, script string }{
		// Root logged in, became alice, and answers for it.
		{"A1", "root", "su - alice -c 'burrow run --rm --network=none " + busybox + " sleep 8'"},
		// A process of nobody's in a cgroup of alice's container.
		{"A1 A2", "root", "systemd-run -q -P --uid=nobody sleep 8 & sleep 1; pgrep -u nobody sleep >" + procs + "; wait"},
		// A user namespace of root's, in a container's cgroup and under alice's login.
		{"A3", "root", "systemd-run -q -P bash -c 'echo 1000 >/proc/self/loginuid; echo $BASHPID >" + procs + "; exec unshare -U sleep 8'"},
		// What a service starts is accounted to the service.
		{"A4", "root", "systemd-run -q -P --uid=alice burrow run --rm --network=none " + busybox + " sleep 8"},
		// A setuid program that passes for one of the engine's.
		{"A5", "alice", "/tmp/burrow-gains 8"},
	}
	g.must("root", "install -m 4755 /bin/sleep /tmp/burrow-gains")
	t.Cleanup(func() { g.must("root", "rm -f /tmp/burrow-gains") })
	s := g.watch(func() {
		done := make(chan string, len(plants))
		for _, p := range plants {
			go func() {
				r := g.run(p.user, p.script)
				done <- fmt.Sprintf("%s: %+v", p.rules, r)
			}()
		}
		for range plants {
			t.Log(<-done)
		}
	})
	want := map[string]string{"whois": misnamed.name}
	for _, p := range plants {
		for rule := range strings.FieldsSeq(p.rules) {
			want[rule] += " " + p.script
		}
	}
	for rule, what := range want {
		if s.Violations[rule] == 0 {
			t.Errorf("%s is not found to be broken by %s", rule, what)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(s.Examples, "\n"))
	}
	t.Logf("%v", s.Violations)
}
