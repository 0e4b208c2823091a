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

// Fifty execs are fifty records, whoever executes inside: for an administrator who asks
// ausearch as its manual says.
func TestAuditCountsExecs(t *testing.T) {
	g := enterWithBurrow(t)
	g.loadRules()
	c := g.start("alice", busybox+" sleep 1000")
	for _, user := range []struct{ uid, execs int }{{0, 20}, {5, 20}, {1000, 10}} {
		g.must("alice", fmt.Sprintf(`burrow exec --user %d %s sh -c 'i=0; while [ $i -lt %d ]; do /bin/echo fifty-%[1]d; i=$((i+1)); done' >/dev/null`, user.uid, c.name, user.execs))
		// busybox has links for its programs, so it is the argument that tells them.
		found := strings.Fields(g.must("root", fmt.Sprintf(`sleep 1; ausearch --input-logs -k exec -ul 1000 --raw | ausearch -m EXECVE --raw 2>/dev/null | grep -c 'a1="fifty-%d"'`, user.uid)))
		if len(found) != 1 || found[0] != strconv.Itoa(user.execs) {
			t.Errorf("UID %d: ausearch finds %v of %d", user.uid, found, user.execs)
		}
	}
	auids, uids := map[int]int{}, map[int]int{}
	for _, r := range g.records("0", `a1="fifty-`) {
		auids[r.auid]++
		uids[r.uid]++
		if !strings.HasPrefix(r.key, `"exec"`) {
			t.Errorf("key %s: %s", r.key, r.text)
		}
	}
	// UID 5 and 1000 of the container are sub-IDs; which ones, whois says.
	if auids[1000] != 50 || len(auids) != 1 || uids[1000] != 20 || len(uids) != 3 {
		t.Errorf("auids %v, UIDs %v, want 50 of alice's, 20 of them by herself", auids, uids)
	}
	for uid, n := range uids {
		inside := map[int]string{20: "inside UID 5", 10: "inside UID 1000"}[n]
		if uid == 1000 {
			continue
		}
		if got := g.must("alice", fmt.Sprintf("burrow whois --uid %d", uid)); uid < 100000 || uid >= 165536 || !strings.Contains(got, inside) || !strings.Contains(got, c.name) {
			t.Errorf("UID %d: whois says %q, want %s of %s", uid, got, inside, c.name)
		}
	}
	out := g.must("root", "journalctl --sync; journalctl -q --no-pager -o cat --output-fields=BURROW_EVENT _AUDIT_LOGINUID=1000 BURROW_NAME="+c.name)
	if strings.Count(out, "exec\n") != 3 || strings.Count(out, "exec_died\n") != 3 || !strings.HasPrefix(out, "create\nstart\n") {
		t.Errorf("the journal has %q, want it made, one start and three execs, each with its end", out)
	}
}

// A watch, as many sites have one, is about the host's file: what a container executes
// is another one, although it has the same name. So the rules name system calls.
func TestAuditWatchIsOfAFile(t *testing.T) {
	g := enterWithBurrow(t)
	g.auditRules("-D\n-w /usr/bin/busybox -p x -k watched")
	seen := func(script, marker string) int {
		g.must("alice", script)
		r := g.run("root", "sleep 1; ausearch --input-logs -k watched --raw | grep -c "+marker)
		n, err := strconv.Atoi(strings.TrimSpace(r.Stdout))
		if err != nil {
			t.Errorf("ausearch: %+v", r)
		}
		return n
	}
	if n := seen("burrow run --rm --network=none "+busybox+" /bin/busybox echo watched-inside", "watched-inside"); n != 0 {
		t.Errorf("the watch has seen %d execs in a container", n)
	}
	if n := seen("/usr/bin/busybox echo watched-outside", "watched-outside"); n == 0 {
		t.Error("the watch does not see the host's own")
	}
}

// What make install puts there is what the tests load.
func TestAuditRulesAreInstalled(t *testing.T) {
	g := enterWithBurrow(t)
	g.Cleanup(func() { g.run("root", "rm -f /etc/audit/rules.d/90-burrow.rules; augenrules --load; auditctl -D") })
	out := g.must("root", `install -m 0640 /mnt/payload/contrib/90-burrow.rules /etc/audit/rules.d/ && augenrules --load && auditctl -l`)
	for _, want := range []string{"execve", "newuidmap", "newgidmap", "/etc/subuid", "/etc/subgid", "setns", "key=exec", "key=idmap", "-k subid", "key=ns"} {
		if !strings.Contains(out, want) {
			t.Errorf("the rules lack %s:\n%s", want, out)
		}
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
