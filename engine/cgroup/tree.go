package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Root is where cgroup v2 is mounted.
const Root = "/sys/fs/cgroup"

// wanted are the controllers behind the limits, as cgroup.controllers spells them.
func wanted() []string { return []string{"cpu", "cpuset", "io", "memory", "pids"} }

// Unified says whether cgroup v2, and nothing else, is mounted on Root.
func Unified() bool {
	var st unix.Statfs_t
	return unix.Statfs(Root, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC
}

// Of returns the cgroup of a process, as a path below Root that begins with "/".
func Of(pid int) (string, error) {
	name := "/proc/" + strconv.Itoa(pid) + "/cgroup"
	b, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		// A removed cgroup still has the processes that were in it.
		if own, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			return strings.TrimSuffix(own, " (deleted)"), nil
		}
	}
	return "", fmt.Errorf("read %s: no cgroup v2", name)
}

// words reads a file of blank-separated words; one that cannot be read has none.
func words(dir, file string) []string {
	b, err := os.ReadFile(path.Join(dir, file))
	if err != nil {
		return nil
	}
	return strings.Fields(string(b))
}

// write writes a control file. The kernel's answer is in the error.
func write(dir, file, text string) error {
	f, err := os.OpenFile(path.Join(dir, file), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// owned says whether cgroups can be made in dir and processes be put into it.
// In the anchor, access(2) would say yes to what our capabilities override, so
// ownership is asked: a delegated cgroup belongs to the user.
func owned(dir string) bool {
	for _, name := range []string{"", "cgroup.procs", "cgroup.subtree_control"} {
		var st unix.Stat_t
		if err := unix.Stat(path.Join(dir, name), &st); err != nil || int(st.Uid) != os.Geteuid() {
			return false
		}
	}
	return true
}

// isUnit says whether dir belongs to a unit of systemd's that has processes.
func isUnit(dir string) bool {
	return strings.HasSuffix(dir, ".service") || strings.HasSuffix(dir, ".scope")
}

// delegated says whether systemd has left dir and what is below to somebody
// else than itself (systemd.resource-control(5), Delegate=).
func delegated(dir string) bool {
	if name := path.Base(dir); strings.HasPrefix(name, "user@") {
		return false // to the user's service manager, not to us
	}
	buf := make([]byte, 8)
	n, err := unix.Getxattr(dir, "user.delegate", buf)
	return err == nil && string(buf[:n]) == "1"
}

// free says whether dir can pass controllers on: it must hold no process, or
// only those that are ours to move (cgroups(7), "no internal processes").
func free(dir string) bool {
	ours := movable()
	return !slices.ContainsFunc(words(dir, "cgroup.procs"), func(pid string) bool { return !slices.Contains(ours, pid) })
}

// movable are this process and, if this is a supervisor, the command that has
// started it and waits for it.
func movable() []string {
	out := []string{strconv.Itoa(os.Getpid())}
	self, err := os.Stat("/proc/self/exe")
	if err != nil {
		return out
	}
	parent := strconv.Itoa(os.Getppid())
	if exe, err := os.Stat("/proc/" + parent + "/exe"); err == nil && os.SameFile(self, exe) {
		out = append(out, parent)
	}
	return out
}

// common is the nearest cgroup that both are in or below.
func common(a, b string) string {
	for ; a != "/"; a = path.Dir(a) {
		if b == a || strings.HasPrefix(b, a+"/") {
			return a
		}
	}
	return a
}

// upwards calls use for the cgroup own and each of its ancestors, nearest
// first, until it says true, and returns that directory.
func upwards(own string, use func(dir string) bool) (string, bool) {
	for p := path.Clean("/" + own); ; p = path.Dir(p) {
		if dir := path.Join(Root, p); use(dir) {
			return dir, true
		}
		if p == "/" {
			return "", false
		}
	}
}

// missing are the wanted controllers that dir has and does not pass on.
func missing(dir string) []string {
	have, on := words(dir, "cgroup.controllers"), words(dir, "cgroup.subtree_control")
	return slices.DeleteFunc(wanted(), func(c string) bool {
		return !slices.Contains(have, c) || slices.Contains(on, c)
	})
}

// enable passes on what dir has of the wanted controllers. There must be no
// process in dir: the kernel would refuse some of them, and for the others turn
// what is below into cgroups for threads, which are of no use here.
func enable(dir string) error {
	for _, c := range missing(dir) {
		err := write(dir, "cgroup.subtree_control", "+"+c)
		if errors.Is(err, unix.EBUSY) {
			return err
		}
		// Another error is about this controller alone; a limit that needs it is
		// refused when it turns out to be missing.
	}
	return nil
}

// The cgroups beside the containers' in a scope of ours, for those who are not
// to be limited with them.
const (
	supervisor = "supervisor" // commands and their helpers
	anchor     = "anchor"
)

// settle makes dir pass on its controllers. For that it moves those processes
// in dir that are ours to move: all that are in a scope of ours, else as movable says.
func settle(dir string) error {
	err := error(unix.EBUSY)
	for range 5 {
		if len(missing(dir)) == 0 {
			return nil
		}
		procs := words(dir, "cgroup.procs")
		if len(procs) == 0 {
			if err = enable(dir); err == nil {
				return nil
			}
			continue
		}
		if err := vacate(dir, procs); err != nil {
			return err
		}
	}
	return fmt.Errorf("enable cgroup controllers in %s: %w", dir, err)
}

// vacate moves what is ours to move to the cgroup beside the containers'.
func vacate(dir string, procs []string) error {
	to := path.Join(dir, supervisor)
	if err := mkdir(to); err != nil {
		return err
	}
	ours := movable()
	for _, pid := range procs {
		if !slices.Contains(ours, pid) && !inScope(dir) {
			continue
		}
		// ESRCH: it has ended meanwhile.
		if err := write(to, "cgroup.procs", pid); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("move to cgroup: %w", err)
		}
	}
	return nil
}

// mkdir is os.Mkdir without an error for a cgroup that is there.
func mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make cgroup: %w", err)
	}
	return nil
}
