package main_test

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/testbed"
)

// facts are what the kernel says of a process, in words that are the same on
// every run: names for IDs, namespaces and directories instead of numbers.
type facts map[string]string

// observer knows whom and what the numbers of one run mean.
type observer struct {
	t         *testing.T
	sh        *shell
	container int // its first process, 0 if there is none
	subs      [][2]int
}

func newObserver(t *testing.T, sh *shell, container int) *observer {
	t.Helper()
	subs, err := sh.user.SubIDs()
	if err != nil {
		t.Fatal(err)
	}
	return &observer{t: t, sh: sh, container: container, subs: subs}
}

// statusFields are the lines of /proc/PID/status that say what a process may.
// The other lines say what it uses.
var statusFields = []string{
	"Umask", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters",
}

var namespaces = []string{"user", "mnt", "pid", "pid_for_children", "net", "ipc", "uts", "cgroup", "time"}

// look collects everything about a process.
func (o *observer) look(pid int) facts {
	o.t.Helper()
	f := facts{}
	s := status(o.t, o.path(pid, "status"))
	for _, name := range statusFields {
		f[name] = s[name]
	}
	f["uid"], f["gid"], f["groups"] = o.names(pid, "uid_map", s["Uid"]), o.names(pid, "gid_map", s["Gid"]), o.names(pid, "gid_map", s["Groups"])
	f["threads"] = o.threads(pid, s)
	for _, kind := range namespaces {
		f["ns "+kind] = o.namespace(pid, kind)
	}
	f["owners"] = o.owners(pid)
	f["loginuid"] = o.loginUID(pid)
	f["oom_score_adj"] = o.relative(pid, "oom_score_adj")
	f["personality"] = o.read(pid, "personality")
	f["cgroup"] = o.cgroup(pid)
	f["label"] = o.relative(pid, "attr/current")
	f["exe"], f["cwd"], f["root"] = o.link(pid, "exe"), o.link(pid, "cwd"), o.link(pid, "root")
	f["environment"] = o.environment(pid)
	f["descriptors"] = o.descriptors(pid)
	f["to a container"] = o.grasp(pid)
	for name, value := range o.limits(pid) {
		f["limit "+name] = value
	}
	return f
}

func (o *observer) path(pid int, file string) string { return fmt.Sprintf("/proc/%d/%s", pid, file) }

// read returns a file's content in one line, or why there is none.
func (o *observer) read(pid int, file string) string {
	b, err := os.ReadFile(o.path(pid, file))
	return orWhy(strings.Trim(string(b), "\x00\n "), err)
}

func orWhy(s string, err error) string {
	switch {
	case err == nil:
		return s
	case errors.Is(err, fs.ErrPermission):
		return hidden
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.EINVAL):
		return "none"
	}
	return err.Error()
}

// hidden is what a process's own user gets to see of what is not for him.
const hidden = "hidden"

// relative says whether the file is as the test's own.
func (o *observer) relative(pid int, file string) string {
	if v := o.read(pid, file); v != o.read(os.Getpid(), file) {
		return v
	}
	return "as the caller's"
}

// cgroup is the caller's, also where that is Burrow's own unit, or what it is.
func (o *observer) cgroup(pid int) string {
	got := o.relative(pid, "cgroup")
	if _, unit, ok := strings.Cut(got, "/burrow.scope"); ok && !regexp.MustCompile(`[0-9a-f]{64}`).MatchString(unit) {
		return "as the caller's"
	}
	return got
}

// names turns host IDs into whose they are, those of a slice with what they are
// in the process's own namespace.
func (o *observer) names(pid int, idMap, ids string) string {
	var out []string
	for id := range strings.FieldsSeq(ids) {
		n, err := strconv.Atoi(id)
		inside, mapped := o.inside(pid, idMap, n)
		switch {
		case err != nil:
			return ids
		case n == o.sh.user.UID || idMap == "gid_map" && n == o.sh.user.GID:
			out = append(out, "user")
		case mapped && pid != 0 && testbed.Owns(o.subs, n):
			out = append(out, fmt.Sprint("slice ", inside))
		default:
			out = append(out, id)
		}
	}
	return strings.Join(slices.Compact(out), ", ") // four that are equal are one
}

// inside translates a host ID with a process's map.
func (o *observer) inside(pid int, idMap string, id int) (int, bool) {
	b, _ := os.ReadFile(o.path(pid, idMap))
	for line := range strings.Lines(string(b)) {
		var to, from, count int
		if _, err := fmt.Sscan(line, &to, &from, &count); err == nil && id >= from && id < from+count {
			return to + id - from, true
		}
	}
	return 0, false
}

// threads demands that all are alike.
func (o *observer) threads(pid int, s map[string]string) string {
	tasks, _ := filepath.Glob(o.path(pid, "task/*/status"))
	for _, path := range tasks {
		task := status(o.t, path)
		for _, name := range append([]string{"Uid", "Gid", "Groups"}, statusFields...) {
			if task[name] != s[name] {
				return fmt.Sprintf("%s: %s is %s, not %s", path, name, task[name], s[name])
			}
		}
	}
	if len(tasks) == 0 {
		return "none"
	}
	return "alike"
}

// namespace says whose it is and who owns it.
func (o *observer) namespace(pid int, kind string) string {
	fd, err := unix.Open(o.path(pid, "ns/"+kind), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return orWhy("", err)
	}
	defer unix.Close(fd)
	whose := o.whose(fd, kind)
	owner, err := unix.IoctlRetInt(fd, unix.NS_GET_USERNS)
	if kind == "user" {
		owner, err = unix.IoctlRetInt(fd, unix.NS_GET_PARENT)
	}
	if err != nil {
		return whose
	}
	defer unix.Close(owner)
	return whose + " of " + o.whose(owner, "user")
}

// whose compares a namespace with those of the processes that are known.
func (o *observer) whose(fd int, kind string) string {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err.Error()
	}
	kind = strings.TrimSuffix(kind, "_for_children")
	for _, p := range []struct {
		name string
		pid  int
	}{{"host", os.Getpid()}, {"anchor", testbed.Anchor(o.sh.runtime)}, {"container", o.container}} {
		var theirs unix.Stat_t
		if p.pid != 0 && unix.Stat(o.path(p.pid, "ns/"+kind), &theirs) == nil && theirs.Ino == st.Ino {
			return p.name
		}
	}
	return "own"
}

// owners walks up from its user namespace to the host's.
func (o *observer) owners(pid int) string {
	fd, err := unix.Open(o.path(pid, "ns/user"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return orWhy("", err)
	}
	var out []string
	for o.whose(fd, "user") != "host" {
		uid, err := ownerUID(fd)
		if err != nil {
			return err.Error()
		}
		out = append(out, o.names(0, "uid_map", strconv.Itoa(int(uid))))
		up, err := unix.IoctlRetInt(fd, unix.NS_GET_PARENT)
		unix.Close(fd)
		if err != nil {
			return err.Error()
		}
		fd = up
	}
	unix.Close(fd)
	return strings.Join(out, " ")
}

// loginUID is the caller's if that is set, or else the user's.
func (o *observer) loginUID(pid int) string {
	got, mine := o.read(pid, "loginuid"), o.read(os.Getpid(), "loginuid")
	if got == "none" || got == mine && mine != "4294967295" {
		return "user" // no audit here, or a login has set it
	}
	return o.names(pid, "uid_map", got)
}

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

// link is a link of /proc/PID with the run's own directories named.
func (o *observer) link(pid int, name string) string {
	to, err := os.Readlink(o.path(pid, name))
	return orWhy(o.place(to), err)
}

func (o *observer) place(path string) string {
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

// environment is the names of the variables.
func (o *observer) environment(pid int) string {
	b, err := os.ReadFile(o.path(pid, "environ"))
	var out []string
	for kv := range strings.SplitSeq(strings.Trim(string(b), "\x00"), "\x00") {
		name, _, _ := strings.Cut(kv, "=")
		out = append(out, name)
	}
	slices.Sort(out)
	return orWhy(strings.Join(out, " "), err)
}

// descriptors is what the standard streams are and each kind of thing besides.
func (o *observer) descriptors(pid int) string {
	entries, err := os.ReadDir(o.path(pid, "fd"))
	if err != nil {
		return orWhy("", err)
	}
	var std, more []string
	for _, e := range entries {
		to := o.link(pid, "fd/"+e.Name())
		if n, _ := strconv.Atoi(e.Name()); n <= 2 {
			std = append(std, e.Name()+" "+to)
		} else {
			more = append(more, to)
		}
	}
	slices.Sort(more)
	return strings.Join(append(std, slices.Compact(more)...), ", ")
}
