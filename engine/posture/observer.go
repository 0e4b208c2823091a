package posture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Facts are what is so, by name.
type Facts map[string]string

// Observer knows whom and what the numbers of one host mean. The zero value looks
// from the host at a host without an anchor.
type Observer struct {
	// Self is the process that "as the caller's" is about, in the host's namespaces
	// but for those of the anchor; 0: this one.
	Self int
	// Inside says that this process is in the anchor's user namespace.
	Inside bool
	// Anchor is the process that keeps the anchor, 0 if it is not known.
	Anchor int
	// Container is the first process of the container that this is about, 0 for none.
	Container int
	// IDs translates an ID as this process sees it into one of the anchor, where 0 is
	// the user and the others are sub-IDs; nil: they are the anchor's.
	IDs func(id int, group bool) (int, bool)
	// Place gives directories of one run the names that they have on every run; nil: it does not.
	Place func(path string) string
}

// Words for what cannot be seen.
const (
	// Hidden is what a process keeps from who is not privileged over it.
	Hidden = "hidden"
	none   = "none"
	// Same is what is as it is with the caller.
	Same = "as the caller's"
)

// Status are the lines of /proc/PID/status that say what a process may. The other
// lines say what it uses.
func Status() []string {
	return []string{
		"Umask", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters",
	}
}

// Look collects everything about a process but the files that it sees. An error
// says that there is no such process.
func (o Observer) Look(pid int) (Facts, error) {
	s, err := status(path(pid, "status"))
	if err != nil {
		return nil, err
	}
	f := Facts{}
	for _, name := range Status() {
		f[name] = s[name]
	}
	f["uid"], f["gid"], f["groups"] = o.names(pid, s["Uid"], false), o.names(pid, s["Gid"], true), o.names(pid, s["Groups"], true)
	f["uid map"], f["gid map"] = o.idMap(pid, false), o.idMap(pid, true)
	f["threads"] = threads(pid, s)
	for _, kind := range []string{"user", "mnt", "pid", "pid_for_children", "net", "ipc", "uts", "cgroup", "time"} {
		f["ns "+kind] = o.namespace(pid, kind)
	}
	f["owners"] = o.owners(pid)
	f["loginuid"] = o.loginUID(pid)
	f["oom_score_adj"] = o.relative(pid, "oom_score_adj")
	f["personality"] = read(pid, "personality")
	f["cgroup"] = o.cgroup(pid)
	f["label"] = o.relative(pid, "attr/current")
	f["exe"], f["cwd"], f["root"] = o.link(pid, "exe"), o.link(pid, "cwd"), o.link(pid, "root")
	f["environment"] = environment(pid)
	f["descriptors"] = o.descriptors(pid)
	for name, value := range o.limits(pid) {
		f["limit "+name] = value
	}
	return f, nil
}

func (o Observer) self() int {
	if o.Self != 0 {
		return o.Self
	}
	return os.Getpid()
}

func path(pid int, file string) string { return fmt.Sprintf("/proc/%d/%s", pid, file) }

// read returns a file's content in one line, or why there is none.
func read(pid int, file string) string {
	b, err := os.ReadFile(path(pid, file))
	return orWhy(strings.Trim(string(b), "\x00\n "), err)
}

func orWhy(s string, err error) string {
	switch {
	case err == nil:
		return s
	case errors.Is(err, fs.ErrPermission):
		return Hidden
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.EINVAL):
		return none
	}
	return err.Error()
}

// status returns the fields of a status file of /proc.
func status(path string) (map[string]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		k, v, _ := strings.Cut(line, ":")
		out[k] = strings.TrimSpace(v)
	}
	return out, nil
}

// threads demands that all are alike.
func threads(pid int, s map[string]string) string {
	tasks, _ := filepath.Glob(path(pid, "task/*/status"))
	seen := none
	for _, file := range tasks {
		task, err := status(file)
		if err != nil {
			continue // it has just ended
		}
		seen = "alike"
		for _, name := range append([]string{"Uid", "Gid", "Groups"}, Status()...) {
			if task[name] != s[name] {
				return fmt.Sprintf("%s: %s is %s, not %s", file, name, task[name], s[name])
			}
		}
	}
	return seen
}

// relative says whether the file is as the caller's own.
func (o Observer) relative(pid int, file string) string {
	if v := read(pid, file); v != read(o.self(), file) {
		return v
	}
	return Same
}

// cgroup is the caller's, also where that is Burrow's own unit, or what it is.
func (o Observer) cgroup(pid int) string {
	got := o.relative(pid, "cgroup")
	if _, unit, ok := strings.Cut(got, "/burrow.scope"); ok && !strings.ContainsFunc(unit, hexRun()) {
		return Same
	}
	return got
}

// hexRun finds the end of an ID: 64 digits in a row.
func hexRun() func(rune) bool {
	n := 0
	return func(r rune) bool {
		if strings.ContainsRune("0123456789abcdef", r) {
			n++
		} else {
			n = 0
		}
		return n == 64
	}
}

// Caller are the facts of Self that a container may have in common with it.
func (o Observer) Caller(name string) string {
	s, err := status(path(o.self(), "status"))
	return orWhy(s[name], err)
}
