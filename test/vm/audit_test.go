package vm_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// record is a SYSCALL record of the audit log.
type record struct {
	auid, uid int
	key, text string
}

var recordFields = regexp.MustCompile(` auid=(\d+) uid=(\d+) .* key=(\S+)`)

// records returns the SYSCALL records of execs since a time whose arguments contain
// marker, as root of the machine reads them.
func (g guest) records(since, marker string) []record {
	g.Helper()
	// Each event is several lines with one number: the SYSCALL line has the IDs, the
	// EXECVE line the arguments.
	out := g.must("root", "sleep 1; ausearch --input-logs -m EXECVE,SYSCALL --raw 2>/dev/null | awk -F'[(.:)]' '$2 >= "+since+"'")
	number := regexp.MustCompile(`msg=audit\(([0-9.:]+)\)`)
	wanted := map[string]bool{}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "type=EXECVE") && strings.Contains(line, marker) {
			wanted[number.FindString(line)] = true
		}
	}
	var found []record
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "type=SYSCALL") || !wanted[number.FindString(line)] {
			continue
		}
		m := recordFields.FindStringSubmatch(line)
		if m == nil {
			g.Errorf("record %q has no IDs", line)
			continue
		}
		auid, _ := strconv.Atoi(m[1])
		uid, _ := strconv.Atoi(m[2])
		found = append(found, record{auid: auid, uid: uid, key: m[3], text: line})
	}
	return found
}

// loadRules loads the rules that the sources ship, for the rest of the test.
func (g guest) loadRules() {
	g.Helper()
	g.must("root", "auditctl -R /mnt/payload/contrib/90-burrow.rules")
	g.Cleanup(func() { g.run("root", "auditctl -D") })
}

// Forty execs as four users of one container are forty records, each of alice's.
func TestAuditNamesTheInvokingUser(t *testing.T) {
	g := enterWithBurrow(t)
	g.loadRules()
	since := strings.TrimSpace(g.must("root", "date +%s"))
	g.must("alice", "burrow run --rm --network=none "+busybox+` sh -ec '
		for i in 1 2 3 4 5 6 7 8 9 10; do
			/bin/echo audit-0-$i; for user in 1:daemon 33:www-data 65534:nobody; do
				su -s /bin/sh ${user#*:} -c "/bin/echo audit-${user%:*}-$i"
		done; done' >/dev/null`)
	seen := map[int]int{}
	for _, uid := range []int{0, 1, 33, 65534} {
		// The marker is echo's first argument, and inside one of su and sh.
		for _, r := range g.records(since, fmt.Sprintf(`a1="audit-%d-`, uid)) {
			if r.auid != 1000 {
				t.Errorf("auid %d: %s", r.auid, r.text)
			}
			if r.uid != 1000 && (r.uid < 100000 || r.uid >= 165536) {
				t.Errorf("uid %d is none of alice's: %s", r.uid, r.text)
			}
			if (uid == 0) != (r.uid == 1000) {
				t.Errorf("uid %d of the container is %d", uid, r.uid)
			}
			seen[uid]++
		}
	}
	for uid, n := range seen {
		if n != 10 {
			t.Errorf("uid %d: %d records, want 10", uid, n)
		}
	}
	if len(seen) != 4 {
		t.Errorf("records of %d users, want 4", len(seen))
	}
}

// Every process that a run starts, the helpers and newuidmap among them.
func TestAuditSeesTheEngineToo(t *testing.T) {
	g := enterWithBurrow(t)
	g.loadRules()
	g.run("alice", "burrow system migrate")
	since := strings.TrimSpace(g.must("root", "date +%s"))
	g.must("alice", "burrow run --rm "+busybox+" true")
	for _, program := range []string{`a0="newuidmap"|/usr/bin/newuidmap`, "slirp4netns", `a0="true"`} {
		n := 0
		for part := range strings.SplitSeq(program, "|") {
			for _, r := range g.records(since, part) {
				n++
				if r.auid != 1000 {
					t.Errorf("auid %d: %s", r.auid, r.text)
				}
			}
		}
		if n == 0 {
			t.Errorf("no record of %s", program)
		}
	}
	keys := g.must("root", "auditctl -l")
	for _, want := range []string{"execve", "newuidmap", "/etc/subuid", "setns"} {
		if !strings.Contains(keys, want) {
			t.Errorf("the rules do not watch %s:\n%s", want, keys)
		}
	}
}

// The kernel lets nobody inside write an audit record or change the loginuid, even
// as root with every capability that --privileged gives.
func TestAuditCannotBeForgedInside(t *testing.T) {
	g := enterWithBurrow(t)
	for _, flags := range []string{"", "--privileged", "--user 5", "--cap-add ALL"} {
		r := g.run("alice", "burrow run --rm --network=none "+flags+" "+busybox+
			" sh -c 'cat /proc/self/loginuid; for v in 0 5 4294967295; do echo $v >/proc/self/loginuid; done; cat /proc/self/loginuid'")
		if r.Stdout != "00" {
			t.Errorf("%q: loginuid %q, want 0 (alice) before and after: %+v", flags, r.Stdout, r)
		}
	}
}
