package vm_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/burrow-run/burrow/test/vm"
)

// The images that the tests use, made from the tars of the payload.
const (
	busybox = "busybox"
	debian  = "debian"
)

// enterWithBurrow is enter for tests that run containers as alice.
func enterWithBurrow(t *testing.T) guest {
	t.Helper()
	g := enter(t)
	shared.burrow.Do(func() { shared.burrowErr = installAll(g) })
	if shared.burrowErr != nil {
		t.Fatalf("install burrow in the machine: %v", shared.burrowErr)
	}
	return g
}

func installAll(g guest) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := g.machine.InstallBurrow(ctx); err != nil {
		return err
	}
	return importImage(ctx, g, "alice", busybox)
}

func importImage(ctx context.Context, g guest, user, image string) error {
	r, err := g.machine.Run(ctx, user, fmt.Sprintf("burrow import /mnt/payload/images/%s.tar %s", image, image))
	if err == nil && r.Code != 0 {
		err = fmt.Errorf("import %s as %s: exit %d: %s", image, user, r.Code, r.Stderr)
	}
	return err
}

// image gives a user an image that not every test needs.
func (g guest) image(user, image string) {
	g.Helper()
	if g.run(user, "burrow image exists "+image).Code == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if err := importImage(ctx, g, user, image); err != nil {
		g.Fatal(err)
	}
}

// container is one that runs in the background.
type container struct {
	name string
	pid  int // of its first process, in the machine
}

// start starts `burrow run ARGS` in the background as user and waits until the
// container runs; it is killed when the test ends.
func (g guest) start(user, args string) container {
	g.Helper()
	name := "t" + strconv.FormatInt(time.Now().UnixNano(), 36)
	dir := "/tmp/" + name // root's containers are started by its sub-ID, which must be able to write here
	g.Cleanup(func() { g.run(user, fmt.Sprintf(endContainer, dir, name)) })
	out := g.must(user, fmt.Sprintf(`mkdir -m 1777 %[1]s && cd %[1]s
		setsid burrow run --name %[2]s --pidfile %[1]s/pid --rm %[3]s >out 2>&1 </dev/null &
		for i in $(seq 100); do
			[ -s pid ] && cat pid && exit
			kill -0 $! 2>/dev/null || break
			sleep 0.2
		done
		cat out >&2; exit 1`, dir, name, args))
	pid, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		g.Fatalf("pidfile of %s: %q", args, out)
	}
	return container{name: name, pid: pid}
}

// The first process of a container takes a signal from outside only if it handles
// it, but for SIGKILL. `burrow run` sees it end and clears up.
const endContainer = `pid=$(cat %[1]s/pid 2>/dev/null)
	grep -qs burrow /proc/$pid/cgroup && kill -KILL $pid
	for i in $(seq 30); do pgrep -f '[b]urrow run --name %[2]s' >/dev/null || break; sleep 0.1; done
	pkill -KILL -f '[b]urrow run --name %[2]s'; rm -rf %[1]s`

// inside runs a command in the machine with the path of a file that belongs to the
// container: /proc/PID/root/… as root sees it.
func (g guest) inside(c container, command, path string) string {
	g.Helper()
	return strings.TrimSpace(g.must("root", fmt.Sprintf("%s /proc/%d/root%s", command, c.pid, path)))
}

// proc reads a file of the container's first process from outside.
func (g guest) proc(c container, name string) string {
	g.Helper()
	return strings.Trim(g.must("root", fmt.Sprintf("cat /proc/%d/%s", c.pid, name)), "\n\x00")
}

// refused demands what Burrow promises of a run that cannot be: exit 125, one line
// that says why and one that says what to do, both with the given words.
func (g guest) refused(r vm.Result, errorHas, hintHas string) {
	g.Helper()
	if r.Code != 125 {
		g.Errorf("exit %d, want 125\nstdout: %s\nstderr: %s", r.Code, r.Stdout, r.Stderr)
		return
	}
	var failure, advice []string
	for line := range strings.Lines(r.Stderr) {
		switch {
		case strings.HasPrefix(line, "burrow: error: "):
			failure = append(failure, line)
		case strings.HasPrefix(line, "hint: "):
			advice = append(advice, line)
		default:
			g.Errorf("stray line %q", line)
		}
	}
	if len(failure) != 1 || !strings.Contains(failure[0], errorHas) {
		g.Errorf("errors %q, want one with %q", failure, errorHas)
	}
	if len(advice) != 1 || !strings.Contains(advice[0], hintHas) {
		g.Errorf("hints %q, want one with %q", advice, hintHas)
	}
}

// leavesNothing compares what alice has running and mounted, and the cgroups, before
// the test and some seconds after: all that a container had must be gone, at the
// latest when the next container has.
func (g guest) leavesNothing() {
	g.Helper()
	g.run("alice", "burrow unshare true") // the anchor and its scope are meant to stay
	look := func() string {
		g.run("alice", "burrow run --rm --network=none "+busybox+" true")
		return g.run("root", leftovers).Stdout
	}
	before := look()
	g.Cleanup(func() {
		var left []string
		for range 20 {
			left = nil
			for line := range strings.Lines(look()) {
				if !strings.Contains(before, line) {
					left = append(left, line)
				}
			}
			if left == nil {
				return
			}
			time.Sleep(500 * time.Millisecond)
		}
		g.Errorf("left behind: %q", left)
	})
}

const leftovers = `ps -u alice -o args= | grep -E '[b]urrow|[s]lirp4netns|[p]asta|[s]leep' | grep -v '^burrow-anchor' | sort
	find /sys/fs/cgroup -type d -name '*burrow*' | grep -v anchor | sort
	grep burrow /proc/self/mountinfo; ls ~alice/.local/state/burrow/containers`

// anchor returns the pid of the anchor that alice's login sessions share.
func (g guest) anchor() string {
	g.Helper()
	pid := strings.Fields(g.must("alice", `cat "$XDG_RUNTIME_DIR/burrow/anchor"`))
	if len(pid) == 0 {
		g.Fatal("the anchor's pidfile is empty")
	}
	return pid[0]
}
