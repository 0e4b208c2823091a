package vm_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
)

func TestMemoryLimitKillsTheHog(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	got := g.must("alice", "burrow run --rm --network=none --memory 40m "+busybox+
		" cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory.swap.max")
	if got != "41943040\n41943040\n" {
		t.Errorf("memory.max and memory.swap.max: %q", got)
	}
	const hog = `x=$(head -c 48m /dev/zero | tr "\0" x)`
	if r := g.run("alice", "burrow run --rm --network=none --memory 40m "+busybox+" sh -c '"+hog+"'"); r.Code != 137 {
		t.Errorf("a hog of 48 MiB under 40: %+v, want 137", r)
	}
	if r := g.run("alice", "burrow run --rm --network=none --memory 300m "+busybox+" sh -c '"+hog+"'"); r.Code != 0 {
		t.Errorf("the same under 300 MiB: %+v, want 0", r)
	}
}

// The shell's own words only: under the limit it cannot start a process to look.
const bomb = `(while :; do sleep 100 & done) 2>/dev/null
	read max </sys/fs/cgroup/pids.max; read now </sys/fs/cgroup/pids.current
	while read what times; do echo "$what $times max $max now $now"; done </sys/fs/cgroup/pids.events`

func TestPidsLimitStopsAForkBomb(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	got := g.must("alice", "burrow run --rm --network=none --pids-limit 25 "+busybox+" sh -c '"+bomb+"'")
	var hits, limit, now int
	if _, err := fmt.Sscanf(got, "max %d max %d now %d", &hits, &limit, &now); err != nil {
		t.Fatalf("%q: %v", got, err)
	}
	if hits < 1 || limit != 25 || now > 25 || now < 20 {
		t.Errorf("limit %d, %d processes, hit %d times; want 25, almost as many, at least once", limit, now, hits)
	}
	if got := g.must("alice", "burrow run --rm --network=none "+busybox+" cat /sys/fs/cgroup/pids.max"); got != "2048\n" {
		t.Errorf("default pids limit %q", got)
	}
}

func TestCPUQuotaIsKept(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	c := g.start("alice", "--network=none --cpus 0.2 "+busybox+" sh -c 'while :; do :; done'")
	dir := "/sys/fs/cgroup" + strings.TrimPrefix(g.proc(c, "cgroup"), "0::")
	out := g.must("root", "read up rest </proc/uptime; echo $up; cat "+dir+"/cpu.max "+dir+"/cpu.stat; sleep 6; read up rest </proc/uptime; echo $up; cat "+dir+"/cpu.stat")
	lines := strings.Split(out, "\n")
	if lines[1] != "20000 100000" {
		t.Errorf("cpu.max %q", lines[1])
	}
	half := len(lines) / 2
	usage := func(part []string, key string) float64 {
		for _, l := range part {
			if v, ok := strings.CutPrefix(l, key+" "); ok {
				n, _ := strconv.ParseFloat(v, 64)
				return n
			}
		}
		t.Fatalf("no %s in %q", key, part)
		return 0
	}
	seconds := func(part []string) float64 { // the one line that is a number
		for _, l := range part {
			if n, err := strconv.ParseFloat(l, 64); err == nil {
				return n
			}
		}
		t.Fatalf("no uptime in %q", part)
		return 0
	}
	used := (usage(lines[half:], "usage_usec") - usage(lines[:half], "usage_usec")) / 1e6 / (seconds(lines[half:]) - seconds(lines[:half]))
	// The guest's own clock and accounting, so a slow host does not matter; a period
	// of 0.1 s at either end does.
	if used > 0.26 || used < 0.08 {
		t.Errorf("used %.3f of a processor, want about 0.2\n%s", used, out)
	}
	if usage(lines[half:], "nr_throttled") < 10 {
		t.Errorf("hardly throttled:\n%s", out)
	}
}

func TestLimitWithoutItsController(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	for flag, controller := range map[string]string{"--cpuset-cpus 0": "cpuset", "--blkio-weight 100": "io"} {
		r := g.run("alice", "burrow run --rm --network=none "+flag+" "+busybox+" true")
		g.refused(r, `"`+controller+`"`, "")
		if !strings.Contains(r.Stderr, strings.Fields(flag)[0]) {
			t.Errorf("the error does not name the flag: %s", r.Stderr)
		}
	}
}

// What doctor advises for the case above is what helps.
func TestDelegatedController(t *testing.T) {
	g := enterWithBurrow(t)
	const dropIn = "/etc/systemd/system/user@.service.d/delegate.conf"
	advice := g.run("alice", "burrow doctor").Stdout
	i := strings.Index(advice, "sudo mkdir -p /etc/systemd/system/user@.service.d")
	if i < 0 {
		t.Fatalf("doctor does not say how to delegate:\n%s", advice)
	}
	command, _, _ := strings.Cut(advice[i:], "\n")
	restart := "; systemctl daemon-reload && systemctl restart user@1000.service && sleep 1"
	t.Cleanup(func() { g.must("root", "rm -f "+dropIn+restart) })
	g.must("root", strings.ReplaceAll(command, "sudo ", "")+restart)
	if got := g.must("alice", "burrow run --rm --network=none --cpuset-cpus 1 "+busybox+" grep Cpus_allowed_list /proc/self/status"); !strings.HasSuffix(got, "\t1\n") {
		t.Errorf("--cpuset-cpus 1: %q", got)
	}
	if got := g.must("alice", "burrow run --rm --network=none --blkio-weight 100 "+busybox+" sh -c 'cat /sys/fs/cgroup/io.weight /sys/fs/cgroup/io.bfq.weight 2>/dev/null; true'"); !strings.Contains(got, "default") {
		t.Errorf("--blkio-weight 100: %q", got)
	}
}

// Without a service manager to ask, a cgroup that root has given to the user serves.
func TestCgroupWithoutUserManager(t *testing.T) {
	g := enterWithBurrow(t)
	// In a file: systemd would expand the dollars of a command line.
	g.must("alice", `cat >/tmp/delegated.sh <<'EOF'
		set -e
		cg=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
		mkdir $cg/leaf
		echo $$ >$cg/leaf/cgroup.procs
		echo "+pids +memory" >$cg/cgroup.subtree_control
		burrow run --rm --network=none --pids-limit 33 --cgroup-parent ${cg#/sys/fs/cgroup} busybox cat /sys/fs/cgroup/pids.max
EOF`)
	got := g.must("root", "systemd-run --uid=alice -P -q -p Delegate=yes sh /tmp/delegated.sh")
	if got != "33\n" {
		t.Errorf("pids.max %q", got)
	}
}

// What `burrow update` says is true at once of a container that runs, and of its
// next start.
func TestUpdateOfARunningContainer(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	const read = "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max /sys/fs/cgroup/cpu.max"
	g.must("alice", "burrow run -d --name web --network=none --memory 60m --pids-limit 30 "+busybox+" sleep 1000")
	defer g.run("alice", "burrow rm -f web")
	if got := g.must("alice", "burrow exec web "+read); got != "62914560\n30\nmax 100000\n" {
		t.Fatalf("before: %q", got)
	}
	g.must("alice", "burrow update --memory 80m --pids-limit 40 --cpus 0.5 web")
	const after = "83886080\n40\n50000 100000\n"
	if got := g.must("alice", "burrow exec web "+read); got != after {
		t.Errorf("running: %q, want %q", got, after)
	}
	g.must("alice", "burrow restart -t 0 web")
	if got := g.must("alice", "burrow exec web "+read); got != after {
		t.Errorf("started again: %q, want %q", got, after)
	}
}
