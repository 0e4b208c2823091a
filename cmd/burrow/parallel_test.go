package main_test

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/burrow-run/burrow/internal/testbed"
)

// crowd is how many commands run at once.
const crowd = 100

// together runs a command many times at once; args gets each one's number.
func (sh *shell) together(n int, args func(i int) []string) []result {
	sh.t.Helper()
	const limit = 100 * time.Second
	out, hung := make([]result, n), make([]bool, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			begin := time.Now()
			out[i] = sh.try(append([]string{"timeout", "-k", "5", fmt.Sprint(limit.Seconds()), "burrow"}, args(i)...)...)
			hung[i] = time.Since(begin) > limit // its exit code, 137, is also that of a payload that another one kills
		})
	}
	all.Wait()
	for i, r := range out {
		if hung[i] || strings.Contains(r.err, "goroutine ") || strings.Contains(r.err, "panic") {
			sh.t.Errorf("%v: exit code %d %s", args(i), r.code, r.err)
		}
	}
	return out
}

// winners counts those that worked; the others must say one of the reasons.
func (sh *shell) winners(results []result, reasons ...string) (n int) {
	sh.t.Helper()
	for _, r := range results {
		if r.code == 0 {
			n++
			continue
		}
		understood := false
		for _, why := range reasons {
			understood = understood || strings.Contains(r.err, why)
		}
		if !understood || strings.Count(r.err, "error:") != 1 {
			sh.t.Errorf("a loser says %d %s", r.code, r.err)
		}
	}
	return n
}

// same is a command line that does not differ.
func same(args ...string) func(int) []string { return func(int) []string { return args } }

// TestParallelOnOneName lets a hundred commands at once do the same to the same container.
func TestParallelOnOneName(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		sh.run("burrow", "run", "--rm", "busybox", "true")
		create := same("create", "--name", "one", "busybox", "sh", "-c", `trap "exit 3" TERM; echo up; sleep 1000 & wait`)
		if n := sh.winners(sh.together(crowd, create), "is in use"); n != 1 {
			t.Errorf("%d have created it", n)
		}
		if n := sh.winners(sh.together(crowd, same("start", "one"))); n != crowd {
			t.Errorf("it runs, and %d of %d starts say so", n, crowd)
		}
		below, err := testbed.Below(testbed.Anchor(sh.runtime))
		supervisors := 0
		for _, p := range below {
			if f := strings.Fields(p.Command); len(f) > 1 && supervisorID.MatchString(f[1]) {
				supervisors++
			}
		}
		if err != nil || supervisors != 1 {
			t.Errorf("%d supervisors, %v", supervisors, err)
		}
		if n := sh.winners(sh.together(crowd, same("exec", "one", "true"))); n != crowd {
			t.Errorf("%d of %d execs worked", n, crowd)
		}
		if n := sh.winners(sh.together(crowd, same("stop", "-t", "5", "one"))); n != crowd {
			t.Errorf("it is stopped, and %d of %d stops say so", n, crowd)
		}
		if code := strings.TrimSpace(sh.run("burrow", "wait", "one")); code != "3" && code != "137" {
			t.Errorf("it ended with %s", code)
		}
		if n := sh.winners(sh.together(crowd, same("rm", "one")), "no such container"); n != 1 {
			t.Errorf("%d have removed it", n)
		}
	})
}

// TestParallelOnManyNames lets a hundred containers live at once.
func TestParallelOnManyNames(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		sh.run("burrow", "run", "--rm", "busybox", "true")
		named := func(args ...string) func(int) []string {
			return func(i int) []string {
				out := make([]string, len(args))
				for k, a := range args {
					out[k] = strings.ReplaceAll(a, "@", fmt.Sprintf("c%d", i))
				}
				return out
			}
		}
		const n = 50 // all have sub-IDs of their own
		for _, args := range [][]string{
			{"create", "--name", "@", "busybox", "sleep", "1000"},
			{"start", "@"},
			{"exec", "@", "true"},
			{"stop", "-t", "0", "@"},
			{"start", "@"},
			{"kill", "@"},
			{"rm", "@"},
		} {
			if got := sh.winners(sh.together(n, named(args...))); got != n {
				t.Errorf("%v worked for %d of %d", args, got, n)
			}
		}
		if left := sh.run("burrow", "ps", "-aq"); left != "" {
			t.Errorf("left: %s", left)
		}
	})
}

// TestParallelStorm lets everything happen to one name at once. Who loses is not
// foreseen; that everybody ends, and that what is left can be used, is.
func TestParallelStorm(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		sh.run("burrow", "run", "--rm", "busybox", "true")
		verbs := [][]string{
			{"create", "--name", "x", "busybox", "sleep", "1000"},
			{"run", "-d", "--name", "x", "busybox", "sleep", "1000"},
			{"run", "--rm", "--name", "x", "busybox", "true"},
			{"run", "-d", "--rm", "--name", "x", "busybox", "sleep", "0.1"},
			{"start", "x"},
			{"exec", "x", "true"},
			{"stop", "-t", "0", "x"},
			{"restart", "-t", "0", "x"},
			{"kill", "x"},
			{"rm", "x"},
			{"rm", "-f", "x"},
			{"inspect", "x"},
			{"ps", "-a"},
			{"rename", "x", "y"},
			{"rename", "y", "x"},
			{"rm", "-f", "y"},
			{"container", "prune", "-f"},
			{"logs", "x"},
			{"wait", "y"},
		}
		// Seeded by its number, so that a storm can be repeated.
		for storm := range max(1, long()/100) {
			random := rand.New(rand.NewPCG(uint64(storm), 1)) //nolint:gosec // no secret
			order := make([][]string, crowd)
			for i := range order {
				order[i] = verbs[random.IntN(len(verbs))]
				if order[i][0] == "wait" {
					order[i] = []string{"rm", "-f", "x"} // it may rightly wait for ever
				}
			}
			sh.together(crowd, func(i int) []string { return order[i] })
			for _, name := range []string{"x", "y"} {
				if r := sh.try("burrow", "rm", "-f", name); r.code != 0 && !gone(r) {
					t.Errorf("storm %d: rm: %s", storm, r.err)
				}
				sh.run("burrow", "run", "--rm", "--name", name, "busybox", "true")
			}
			if left := sh.run("burrow", "ps", "-a", "--format", "{{.Names}} {{.State}}"); left != "" {
				t.Errorf("storm %d: left: %s", storm, left)
			}
		}
	})
}

// TestLifecycles lets containers come and go and demands that the thousandth is as
// the first: nothing is left of any, and all sub-IDs are free. In long mode they
// are 10,000, or as many as BURROW_LONG says; docs/reliability.md has the figures.
func TestLifecycles(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		sh.run("burrow", "run", "--rm", "busybox", "true")
		lives := 40
		switch n := long(); n {
		case 0:
		case 1:
			lives = 10_000
		default:
			lives = n
		}
		const workers, round = 4, 1000
		for done := 0; done < lives; done += round {
			n := min(round, lives-done)
			var all sync.WaitGroup
			for w := range workers {
				all.Go(func() {
					for i := w; i < n && !t.Failed(); i += workers {
						sh.live(fmt.Sprintf("life%d", done+i))
					}
				})
			}
			all.Wait()
			sh.intact()
			if t.Failed() {
				return
			}
			t.Logf("%d lives", done+n)
		}
	})
}

// live is one container's life: made, started, looked into, ended, removed.
func (sh *shell) live(name string) {
	sh.t.Helper()
	for _, args := range [][]string{
		{"create", "--name", name, "busybox", "sleep", "1000"},
		{"start", name},
		{"exec", name, "true"},
		{"kill", name},
		{"rm", name},
	} {
		if r := sh.try(append([]string{"timeout", "-k", "5", "100", "burrow"}, args...)...); r.code != 0 {
			sh.t.Errorf("%s: %v: exit code %d %s", name, args, r.code, r.err)
			return
		}
	}
}

// intact demands that no container has left a trace.
func (sh *shell) intact() {
	sh.t.Helper()
	left, err := testbed.Left(sh.getenv("XDG_STATE_HOME"), sh.runtime)
	if err != nil || len(left) > 0 {
		sh.t.Errorf("left: %q %v", left, err)
	}
	sockets, err := filepath.Glob(filepath.Join(sh.runtime, "burrow", "attach-*"))
	if err != nil || len(sockets) > 0 {
		sh.t.Errorf("left: %q %v", sockets, err)
	}
	sh.run("burrow", "audit", "verify")
	sh.run("burrow", "run", "--rm", "--userns=auto:size=60000", "busybox", "true") // all sub-IDs are free
}

// TestStopMeetsStart stops a container at every moment of its start: a stop that has
// worked leaves none that runs.
func TestStopMeetsStart(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		sh.run("burrow", "run", "--rm", "busybox", "true")
		met := 0
		for i := range max(25, long()) {
			ran := make(chan result, 1)
			go func() { ran <- sh.try("burrow", "run", "-d", "--name", "met", "busybox", "sleep", "1000") }()
			time.Sleep(time.Duration(i%25) * 3 * time.Millisecond)
			stopped := sh.try("burrow", "stop", "-t", "0", "met")
			started := <-ran
			if stopped.code == 0 {
				met++
				if now := sh.run("burrow", "ps", "--format", "{{.Names}}"); now != "" {
					t.Errorf("%d: it runs on; start: %d %s", i, started.code, started.err)
				}
			} else if !gone(stopped) {
				t.Errorf("%d: stop: %d %s", i, stopped.code, stopped.err)
			}
			sh.run("burrow", "rm", "-f", "met")
		}
		t.Logf("%d stops met a container", met)
		if met == 0 {
			t.Error("no stop met a start")
		}
	})
}

// TestRunKilledAsItStarts kills runs at every moment of their start, when nothing but the
// kernel can end the container. The kill sweep finds less here: its tracer lets the
// processes run one at a time.
func TestRunKilledAsItStarts(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		sh.run("burrow", "run", "--rm", "busybox", "true")
		const moments, apart, crew = 40, 2 * time.Millisecond, 4
		for i := range max(moments, long()) {
			var runs [crew]*exec.Cmd
			for j := range runs {
				runs[j] = sh.command("burrow", "run", "--rm", "busybox", "sh", "-c", "sleep 1000 & sleep 1000")
				if err := runs[j].Start(); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Duration(i%moments) * apart)
			for _, run := range runs {
				_ = run.Process.Kill()
				_ = run.Wait()
			}
		}
		waitFor(t, func() bool {
			sh.run("burrow", "run", "--rm", "busybox", "true") // it clears up
			left, err := testbed.Left(sh.getenv("XDG_STATE_HOME"), sh.runtime)
			return err == nil && len(left) == 0
		})
		sh.intact()
	})
}
