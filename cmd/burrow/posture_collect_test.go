package main_test

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/engine/posture"
	"github.com/burrow-run/burrow/internal/testbed"
)

// facts are what the kernel says of a process, in words that are the same on
// every run: names for IDs, namespaces and directories instead of numbers.
type facts map[string]string

// observer knows whom and what the numbers of one run mean.
type observer struct {
	posture.Observer
	t  *testing.T
	sh *shell
}

func newObserver(t *testing.T, sh *shell, container int) *observer {
	t.Helper()
	subs, err := sh.user.SubIDs()
	if err != nil {
		t.Fatal(err)
	}
	o := &observer{t: t, sh: sh}
	anchor := testbed.Anchor(sh.runtime)
	translate := posture.FromMap(anchor)
	o.Observer = posture.Observer{Anchor: anchor, Container: container, Place: o.named, IDs: func(id int, group bool) (int, bool) {
		in, ok := translate(id, group)
		// What the anchor maps must be the user's own or have been given to him.
		own := id == sh.user.UID && !group || id == sh.user.GID && group
		if in != 0 {
			own = testbed.Owns(subs, id)
		}
		return in, ok && own
	}}
	return o
}

// look collects everything about a process.
func (o *observer) look(pid int) facts {
	o.t.Helper()
	got, err := o.Look(pid)
	if err != nil {
		o.t.Fatal(err)
	}
	f := facts(got)
	f["to a container"] = o.grasp(pid)
	return f
}

func (o *observer) path(pid int, file string) string { return fmt.Sprintf("/proc/%d/%s", pid, file) }

// grasp is what the root of a container gets hold of that shares the host's pids
// and has no Landlock: were it not for user namespaces, everything, as it has the
// user's own UID.
func (o *observer) grasp(pid int, flags ...string) string {
	o.t.Helper()
	script := fmt.Sprintf(`p=/proc/%d; test -e $p/status || echo gone
		for l in exe cwd root fd/0 ns/mnt; do readlink $p/$l; done; cat $p/environ | head -c 10; head -c 1 $p/mem; readlink /proc/self/exe`, pid)
	args := append([]string{"burrow", "run", "--rm", "--pid=host", "--network=none", "--security-opt=landlock=off"}, flags...)
	r := o.sh.try(append(args, "busybox", "sh", "-c", script)...)
	out, ok := strings.CutSuffix(r.out, "/bin/busybox\n") // it does see itself
	if !ok {
		return r.out + r.err
	}
	return cmp.Or(strings.ReplaceAll(strings.TrimSpace(out), "\n", ", "), "nothing")
}

// named gives the run's own directories the names that they have on every run.
func (o *observer) named(path string) string {
	for _, r := range [][2]string{
		{o.store(), "$DATA/burrow/storage"},
		{o.sh.runtime, "$RUNTIME"},
		{o.sh.getenv("XDG_STATE_HOME"), "$STATE"},
		{o.sh.getenv("XDG_CACHE_HOME"), "$CACHE"},
		{o.sh.getenv("XDG_DATA_HOME"), "$DATA"},
		{o.sh.getenv("HOME"), "$HOME"},
		{o.sh.work, "$WORK"},
		{ground.Bin, "$BIN"},
		{o.sh.user.Home, "$HOME"},
	} {
		path = strings.ReplaceAll(path, r[0], r[1])
	}
	path = regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllString(path, "ID")
	path = regexp.MustCompile(`:\[\d+\]`).ReplaceAllString(path, "")
	path = regexp.MustCompile(`/proc/\d+/`).ReplaceAllString(path, "/proc/PID/")
	return regexp.MustCompile(`\d{6,}`).ReplaceAllString(path, "N") // names of temporary files
}

// store is where the images of the shell's user really are.
func (o *observer) store() string {
	dir, err := filepath.EvalSymlinks(filepath.Join(o.sh.getenv("XDG_DATA_HOME"), "burrow", "storage"))
	if err != nil {
		o.t.Fatal(err)
	}
	return dir
}
