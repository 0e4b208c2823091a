package main_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Attacks on whoever looks at a container from outside.

// TestTopIsNotFooled: a process with tens of thousands of groups is shown as it is,
// hundreds with command lines of megabytes do not fill the memory of who looks, and do not
// keep the host's ps from being read. The control is such a process read whole.
func TestTopIsNotFooled(t *testing.T) {
	buildProbe(t)
	asUser(t, func(t *testing.T, sh *shell) {
		sh.run("burrow", "run", "-d", "--name", "t", "-v", probePath()+":/probe:ro", "busybox", "sh", "-c",
			"/probe crowd 60000 & /probe wordy 120 & wait")
		defer sh.run("burrow", "rm", "-f", "-t", "0", "t")
		var lines []string
		waitFor(t, func() bool {
			lines = strings.Split(strings.TrimSpace(sh.run("burrow", "top", "t", "pid", "seccomp", "user", "args")), "\n")
			return len(lines) == 1+1+1+120 && strings.Count(strings.Join(lines, "\n"), " wordily ") == 120
		})
		crowd := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, "probe crowd 60000") })
		if crowd < 0 {
			t.Fatalf("the process with many groups is missing:\n%.500s", strings.Join(lines, "\n"))
		}
		if f := strings.Fields(lines[crowd]); f[0] == "0" || f[1] != "filter" || f[2] != "root" {
			t.Errorf("the process with many groups: %q", lines[crowd])
		}
		whole, err := strconv.Atoi(strings.TrimSpace(sh.run("burrow", "exec", "t", "sh", "-c", "cat /proc/[0-9]*/cmdline | wc -c")))
		if err != nil || whole < lookMost*3/4 {
			t.Fatalf("control: all command lines have %d bytes, %v", whole, err)
		}
		if r := sh.try("prlimit", "--data="+strconv.Itoa(lookMost), "burrow", "top", "t", "pid", "args"); r.code != 0 {
			t.Errorf("top has taken more than %d bytes: %.500s", lookMost, r.err)
		}
		if out := sh.run("burrow", "top", "t", "-e", "-o", "pid,args"); strings.Count(out, " wordily ") != 120 {
			t.Errorf("by ps: %.300q", out)
		}
	})
}

// lookMost is what looking at a container may take, in bytes of private memory; the runtime
// takes 64 MiB at a time.
const lookMost = 256 << 20
