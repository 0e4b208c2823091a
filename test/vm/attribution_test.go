package vm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/burrow-run/burrow/test/vm"
)

// The statement of docs/security.md, for every process of engine and containers and
// for its whole life: A1 its login UID is the user's, A2 all its IDs are the user's or
// his sub-IDs, A3 he owns the outermost user namespace around it, A4 it is accounted
// to him, A5 nothing gains rights but newuidmap and newgidmap, A6 each container and
// exec has one record of its beginning and one of its end.

// crowd are the users of these tests, all with sub-IDs.
var crowd = []string{"alice", "carol", "dave"}

// sighting is what watch prints: see test/vm/watch.
type sighting struct {
	Seconds    float64        `json:"seconds"`
	Looking    float64        `json:"looking"`
	Ticks      int            `json:"ticks"`
	Observed   int            `json:"observed"`
	Processes  int            `json:"processes"`
	ByUser     map[string]int `json:"by_user"`
	Violations map[string]int `json:"violations"`
	Examples   []string       `json:"examples"`
	Whois      struct {
		Calls, Asked, Gone, Marked int
	} `json:"whois"`
	Entries []entry `json:"entries"`
}

// entry is a process that began something in a container, as watch has seen it.
type entry struct {
	User, Container, Command string
	PID                      int
	Start                    uint64
}

func (e entry) process() string { return fmt.Sprintf("%d-%d", e.PID, e.Start) }

// enterCrowd is enterWithBurrow with further users, who can log in and run containers.
func enterCrowd(t *testing.T) guest {
	t.Helper()
	g := enterWithBurrow(t)
	if shared.noTools != nil {
		skip(t, shared.noTools.Error())
	}
	for _, user := range crowd[1:] {
		g.must("root", fmt.Sprintf(`id %[1]s >/dev/null 2>&1 || {
			useradd --create-home --shell /bin/bash %[1]s
			install -d -m 0700 -o %[1]s -g %[1]s /home/%[1]s/.ssh
			install -m 0600 -o %[1]s -g %[1]s /home/alice/.ssh/authorized_keys /home/%[1]s/.ssh/; }`, user))
		g.image(user, busybox)
	}
	return g
}

// watch looks at all processes of the crowd while during goes on.
func (g guest) watch(during func()) sighting {
	g.Helper()
	const stop = "/run/watch.stop"
	g.must("root", "rm -f "+stop)
	result := make(chan vm.Result, 1)
	failed := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), watchLimit)
		defer cancel()
		r, err := g.machine.Run(ctx, "root", fmt.Sprintf("nice -n -10 /mnt/payload/tools/watch -users %s -for %s -until %s", strings.Join(crowd, ","), watchLimit, stop))
		failed <- err
		result <- r
	}()
	during()
	g.must("root", "touch "+stop)
	if err := <-failed; err != nil {
		g.Fatal(err)
	}
	var s sighting
	if out := g.ok("watch", <-result); json.Unmarshal([]byte(out), &s) != nil {
		g.Fatalf("watch: %s", out)
	}
	return s
}

// watchLimit bounds a test on a machine that has much else to do.
const watchLimit = 20 * time.Minute

// workload is what the crowd does: how often everything, for how long at least, and how
// many containers each has.
func workload() string {
	if os.Getenv("BURROW_LONG") == "1" {
		return "4 600 20"
	}
	return "2 0 8"
}

func TestAttribution(t *testing.T) {
	g := enterCrowd(t)
	g.persistentJournal()
	g.loadRules()
	for _, user := range crowd { // anchors have the login UID of who made them
		g.run(user, "burrow rm -fa; burrow system migrate")
		g.run("root", "su - "+user+" -c 'burrow system migrate'") // it has none of root's session
	}
	lost := g.must("root", "auditctl -s | grep ^lost")
	since := strings.TrimSpace(g.must("root", "date +%s"))
	s := g.watch(func() { g.work(workload()) })
	t.Logf("%.0f s, %d looks of %.0f ms, %d processes, %d observations %v, %d calls of whois for %d processes (%d gone, %d marked), %d beginnings",
		s.Seconds, s.Ticks, 1000*s.Looking/float64(s.Ticks), s.Processes, s.Observed, s.ByUser, s.Whois.Calls, s.Whois.Asked, s.Whois.Gone, s.Whois.Marked, len(s.Entries))
	for rule, n := range s.Violations {
		t.Errorf("%s: %d violations", rule, n)
	}
	for _, text := range s.Examples {
		t.Error(text)
	}
	for _, user := range crowd {
		if s.ByUser[user] < s.Ticks { // the anchor alone is one in each
			t.Errorf("%s: %d observations in %d looks: what was watched?", user, s.ByUser[user], s.Ticks)
		}
		if r := g.run(user, "burrow rm -fa"); r.Code != 0 {
			t.Errorf("%s cannot clear up: %+v", user, r)
		}
	}
	if s.Whois.Marked < 20 || len(s.Entries) < 5*len(crowd) {
		t.Error("too little was seen to say anything")
	}
	if now := g.must("root", "auditctl -s | grep ^lost"); now != lost {
		t.Errorf("auditd: %s, was %s", now, lost)
	}
	g.auditedAlike(since)
	unseen := 0
	for _, user := range crowd {
		t.Run(user, func(t *testing.T) { unseen += guest{TB: t, machine: g.machine}.trailIsWhole(user, since, s.Entries) })
	}
	if unseen == 0 {
		t.Error("everybody who would tell of an end was spared: the kills are not what they should be")
	}
	g.tamperingIsFound("alice")
}

// work has all users work at once.
func (g guest) work(how string) {
	var all sync.WaitGroup
	for _, user := range crowd {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), watchLimit)
			defer cancel()
			r, err := g.machine.Run(ctx, user, "bash /mnt/payload/testdata/workload.sh "+how)
			if err != nil || r.Code != 0 {
				g.Errorf("%s's work: %v %+v", user, err, r)
			}
			g.Logf("%s: %s", user, strings.ReplaceAll(r.Stdout, "\n", ", "))
		})
	}
	all.Wait()
}

// auditedAlike demands of everything that was executed since, by the kernel's own
// records, what watch does of what it sees: it may miss what is short.
func (g guest) auditedAlike(since string) {
	g.Helper()
	out := g.must("root", `sleep 2; ausearch --input-logs -m SYSCALL --raw 2>/dev/null | awk -F'[(.:]' '$2 >= `+since+`' | grep -E 'key="?exec' |
		sed -E 's/.* (auid=[0-9]+) (uid=[0-9]+) .* (euid=[0-9]+) .* (exe="[^"]*").*/\1 \2 \3 \4/' | sort | uniq -c`)
	ids := map[int][2]int{}
	for line := range strings.Lines(g.must("root", "for u in "+strings.Join(crowd, " ")+"; do echo $(id -u $u) $(sed -n s/^$u://p /etc/subuid); done")) {
		var uid, first, count int
		if n, err := fmt.Sscanf(line, "%d %d:%d", &uid, &first, &count); n != 3 {
			g.Fatalf("sub-IDs %q: %v", line, err)
		}
		ids[uid] = [2]int{first, first + count}
	}
	total := 0
	for line := range strings.Lines(out) {
		var n, auid, uid, euid int
		var exe string
		if _, err := fmt.Sscanf(line, "%d auid=%d uid=%d euid=%d exe=%s", &n, &auid, &uid, &euid, &exe); err != nil {
			g.Errorf("record %q: %v", line, err)
			continue
		}
		sub, ok := ids[auid]
		if !ok {
			continue // root's own session, in which this test works
		}
		total += n
		his := func(id int) bool { return id == auid || sub[0] <= id && id < sub[1] }
		mapper := exe == `"/usr/bin/newuidmap"` || exe == `"/usr/bin/newgidmap"`
		if !his(uid) || !his(euid) && !mapper {
			g.Errorf("executed: %s", line)
		}
	}
	if total < 100 {
		g.Errorf("%d records of auditd", total)
	}
	g.Logf("%d records of auditd", total)
}
