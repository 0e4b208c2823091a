package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/burrow-run/burrow/internal/testbed"
)

// TestKillSweep kills the processes of a run at one system call after the other
// (F35): whatever it was at, the container never existed or can be removed, the
// next command clears up, and its name and sub-IDs are free again.
func TestKillSweep(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skipf("%v: hack/install-deps.sh test", err)
	}
	asUser(t, func(t *testing.T, sh *shell) {
		sh.run("burrow", "run", "--rm", "busybox", "true") // the anchor is not what is swept here
		network := "none"
		if _, err := testbed.Lacking("net"); err == nil {
			network = "slirp4netns"
		}
		killed, whole := 0, 0
		for _, when := range sweep(testing.Short()) {
			// when counts per thread, so every thread that gets so far dies.
			// A process that survives its command keeps strace waiting.
			r := sh.try("timeout", "-k", "1", "20", "strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=all:signal=SIGKILL:when="+strconv.Itoa(when),
				"burrow", "run", "--rm", "--network", network, "--name", "swept", "busybox", "true")
			if strings.Contains(r.err, "goroutine ") || strings.Contains(r.err, "panic") {
				t.Errorf("system call %d: %s", when, r.err)
			}
			if r.code == 124 {
				t.Errorf("system call %d: something waits for ever", when)
			}
			if r.code == 0 {
				whole++
			} else {
				killed++
			}
			sh.try("burrow", "rm", "-f", "swept")
		}
		t.Logf("%d runs were hit, %d ran through", killed, whole)
		if killed < 10 || whole == 0 {
			t.Error("the sweep does not reach from the first system call to the last")
		}
		nothingLeft(t, sh)
	})
}

// sweep is which system calls of a thread are tried: the first ones densely.
func sweep(short bool) []int {
	var out []int
	for n := 1; n < 1300; n += 2 + n/12 {
		out = append(out, n)
	}
	if short {
		out = slices.DeleteFunc(out, func(n int) bool { return n%4 != 1 })
	}
	return out
}

// nothingLeft demands that after one more command there is no trace of others.
func nothingLeft(t *testing.T, sh *shell) {
	t.Helper()
	// What died before it had a record is spared for a minute, in which another
	// command might be making it.
	dirs, err := filepath.Glob(filepath.Join(sh.getenv("XDG_STATE_HOME"), "burrow", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * time.Hour)
	for _, d := range dirs {
		_ = os.Chtimes(d, old, old)
	}
	sh.run("burrow", "run", "--rm", "--name", "swept", "busybox", "true")
	waitFor(t, func() bool {
		left, err := testbed.Left(sh.getenv("XDG_STATE_HOME"), sh.runtime)
		if err != nil || len(left) > 0 {
			t.Log("still left: ", left, err)
		}
		return err == nil && len(left) == 0
	})
	sh.run("burrow", "run", "--rm", "--userns=auto:size=60000", "busybox", "true")
}

// TestSignalStorm sends a run everything at once (F36): it ends when its payload
// does, and with its code.
func TestSignalStorm(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		out := sh.run("sh", "-c", `burrow run --rm busybox sh -c 'trap "" TERM HUP INT USR1 USR2 WINCH ALRM; echo up; sleep 1; exit 7' >out & p=$!
			until grep -q up out; do sleep 0.02; done
			i=0; while [ $i -lt 300 ]; do for s in TERM HUP INT USR1 USR2 WINCH ALRM PIPE CHLD CONT; do kill -$s $p 2>/dev/null || break 2; done; i=$((i+1)); done
			wait $p; echo $?`)
		if out != "7\n" {
			t.Errorf("ended with %s", out)
		}
	})
}
