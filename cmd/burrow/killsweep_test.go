package main_test

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/burrow-run/burrow/internal/testbed"
)

// long is how much tests do that only sample in an ordinary run: nothing more if it
// is 0, everything if it is 1, else that many of each (BURROW_LONG).
func long() int {
	n, _ := strconv.Atoi(os.Getenv("BURROW_LONG"))
	return n
}

// sweptLife is what a container goes through while its processes are killed.
type sweptLife struct {
	name   string
	before []string // commands that make it what the swept command finds
	swept  string   // what is traced, for sh
	roles  map[role]int
}

// served is how a container of the sweep is made: with a helper and an orderly end.
const served = `--network $SWEPT_NETWORK --name swept busybox sh -c 'trap "exit 3" TERM; echo up; sleep 1000 & wait'`

// up waits until the payload of a container that runs would hear of a signal. It does
// not wait for ever: what it says is lost with its supervisor.
const up = "until burrow logs swept | grep -q up || [ $((i=i+1)) -gt 50 ]; do sleep 0.01; done"

// The numbers are how many kills each role gets in an ordinary run.
var sweptLives = []sweptLife{
	{"create", nil, "burrow create " + served, map[role]int{roleCommand: 8}},
	{"run", nil, "burrow run -d " + served, map[role]int{roleCommand: 6, roleSupervisor: 9, roleInit: 8, roleHelper: 5}},
	{"start", []string{"burrow create " + served}, "burrow start swept", map[role]int{roleCommand: 4, roleSupervisor: 6, roleInit: 4, roleHelper: 3}},
	{"exec", []string{"burrow run -d " + served, up}, "burrow exec swept true", map[role]int{roleCommand: 6, roleInit: 5}},
	{"stop", []string{"burrow run -d " + served, up}, "burrow stop -t 5 swept", map[role]int{roleCommand: 7}},
	{"rm", []string{"burrow run -d " + served, up}, "burrow rm -f swept", map[role]int{roleCommand: 7}},
	// The supervisor and the helper see the end of a container only if they are traced from its beginning.
	{
		"life", nil, "burrow run -d " + served + " && " + up + " && burrow exec swept true && burrow stop -t 5 swept && burrow rm swept",
		map[role]int{roleSupervisor: 10, roleHelper: 3},
	},
}

// TestKillSweepOfLives kills each process that has to do with a container, at its
// first system call, at its last, and at some or all in between, and demands that
// the container is in a state that every command understands, that it can be
// removed, that its name can be taken again, and that nothing is left of it.
func TestKillSweepOfLives(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		network := "none"
		if _, err := testbed.Lacking("net"); err == nil {
			network = "slirp4netns"
		}
		sh.env = append(sh.env, "SWEPT_NETWORK="+network)
		sh.run("burrow", "run", "--rm", "busybox", "true") // the anchor is not what is swept here
		kills := 0
		for _, life := range sweptLives {
			t.Run(life.name, func(t *testing.T) {
				for who, n := range life.roles {
					if who == roleHelper && network == "none" {
						continue
					}
					kills += sh.with(t).sweep(life, who, n)
				}
			})
		}
		t.Logf("%d processes were killed", kills)
	})
}

// sweep kills one role of one life n times, or at every system call.
func (sh *shell) sweep(life sweptLife, who role, n int) (kills int) {
	sh.t.Helper()
	begin := time.Now()
	whole := sh.traced(life, who, 0)
	// It varies, and the numbers shall be reached. Of a helper there may be nothing to see.
	for try := 0; try < 1 || whole.count < n && try < 4; try++ {
		sh.wreck(life, whole)
		if again := sh.traced(life, who, 0); whole.count < n || again.count < whole.count && again.count >= n {
			whole = again
		}
	}
	if whole.exitCode != 0 || whole.count == 0 {
		sh.t.Fatalf("%s, %s: undisturbed it ends with %d after %d system calls", life.name, who, whole.exitCode, whole.count)
	}
	sh.wreck(life, whole)
	last := whole.count
	for _, nth := range killTimes(whole.count, n) {
		tr := sh.traced(life, who, nth)
		if tr.killed == "" && tr.count < last { // a life on a busy machine has more of them than one on a quiet machine
			sh.wreck(life, tr)
			nth = nth * tr.count / last
			last = tr.count
			tr = sh.traced(life, who, max(nth, 1))
		}
		if tr.killed != "" {
			kills++
		}
		sh.wreck(life, tr)
		if sh.t.Failed() {
			return kills
		}
	}
	if kills*2 < n {
		sh.t.Errorf("%s: %s: %d kills: the sweep does not reach what it is for", life.name, who, kills)
	}
	sh.t.Logf("%s: %s has %d system calls, killed at %d, %.1f s", life.name, who, whole.count, kills, time.Since(begin).Seconds())
	return kills
}

// killTimes are n of the numbers from 1 to last, or as many as the long mode wants.
func killTimes(last, n int) (out []int) {
	switch l := long(); l {
	case 0:
	case 1:
		n = last
	default:
		n = l
	}
	n = min(n, last)
	for i := range n {
		out = append(out, 1+i*(last-1)/max(n-1, 1))
	}
	return out
}

// traced makes what the life needs and runs the swept command.
func (sh *shell) traced(life sweptLife, who role, nth int) *tracer {
	sh.t.Helper()
	for _, c := range life.before {
		sh.run("sh", "-c", c)
	}
	tr := &tracer{target: who, nth: nth}
	cmd := sh.command("sh", "-c", life.swept)
	out, err := os.CreateTemp(sh.work, "swept") // a file: what outlives the command keeps it open
	if err != nil {
		sh.t.Fatal(err)
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	tr.trace(sh.t, cmd)
	said, err := os.ReadFile(out.Name())
	if err != nil || bytes.Contains(said, []byte("panic")) || bytes.Contains(said, []byte("goroutine ")) {
		sh.t.Errorf("%s, %s at %d: %s %v", life.name, who, nth, said, err)
	}
	if tr.hung.Load() {
		sh.t.Errorf("%s, %s at %d (%s): it waits for ever: %s", life.name, who, nth, tr.killed, said)
	}
	return tr
}

// wreck demands of what a kill has left that every command can deal with it.
func (sh *shell) wreck(life sweptLife, tr *tracer) {
	sh.t.Helper()
	fail := func(format string, args ...any) {
		sh.t.Helper()
		sh.t.Errorf("%s, %s at %d (%s): "+format, append([]any{life.name, tr.target, tr.nth, tr.killed}, args...)...)
	}
	list := sh.try("burrow", "ps", "-a", "--format", "{{.Names}} {{.State}}")
	if list.code != 0 || strings.Contains(list.err, "damaged") {
		fail("ps: %d %s", list.code, list.err)
	}
	listed := strings.Contains(list.out, "swept ")
	if listed {
		if r := sh.try("burrow", "inspect", "swept"); r.code != 0 {
			fail("inspect: %d %s", r.code, r.err)
		}
		if r := sh.try("burrow", "stop", "-t", "1", "swept"); r.code != 0 && !gone(r) {
			fail("stop: %d %s", r.code, r.err)
		}
		if r := sh.try("burrow", "ps", "--format", "{{.Names}}"); r.code != 0 || strings.Contains(r.out, "swept") {
			fail("it runs although it was stopped: %s%s", r.out, r.err)
		}
	}
	if r := sh.try("burrow", "rm", "-f", "swept"); r.code != 0 && !gone(r) {
		fail("rm: %d %s", r.code, r.err)
	}
	if r := sh.try("burrow", "run", "--rm", "--name", "swept", "busybox", "true"); r.code != 0 {
		fail("its name is taken: %d %s", r.code, r.err)
	}
	var left []string
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var err error
		left, err = testbed.Left(sh.getenv("XDG_STATE_HOME"), sh.runtime)
		if err != nil {
			fail("%v", err)
			return
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			fail("left behind: %s", strings.Join(left, "\n"))
			return
		}
		// What died at once is cleared up by the next command, as ever.
		sh.try("burrow", "run", "--rm", "busybox", "true")
	}
}

// gone says that a command has found no container.
func gone(r result) bool { return strings.Contains(r.err, "no such container") }
