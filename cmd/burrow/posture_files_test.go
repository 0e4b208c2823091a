package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// mounts are all that a process sees: what it is, how, and whether it is passed on.
func (o *observer) mounts(pid int) facts {
	b, err := os.ReadFile(o.path(pid, "mountinfo"))
	if err != nil {
		o.t.Fatal(err)
	}
	out := facts{}
	for line := range strings.Lines(string(b)) {
		before, after, _ := strings.Cut(strings.TrimSpace(line), " - ")
		f, fs := strings.Fields(before), strings.Fields(after)
		what := fs[0]
		if f[3] != "/" {
			what += " " + o.place(f[3])
		}
		propagation := "private"
		if len(f) > 6 {
			propagation = strings.Join(f[6:], " ")
		}
		out["mount "+f[4]] = what + " " + strings.TrimSuffix(f[5], ",relatime") + " " + propagation
	}
	return out
}

// devices is what is in /dev, links with where they lead.
func (o *observer) devices(pid int) string {
	dev := o.path(pid, "root/dev")
	entries, err := os.ReadDir(dev)
	if err != nil {
		return orWhy("", err)
	}
	var out []string
	for _, e := range entries {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dev, e.Name()), &st); err != nil {
			return err.Error()
		}
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFCHR, unix.S_IFBLK:
			out = append(out, fmt.Sprintf("%s %d:%d", e.Name(), unix.Major(st.Rdev), unix.Minor(st.Rdev)))
		case unix.S_IFLNK:
			to, _ := os.Readlink(filepath.Join(dev, e.Name()))
			out = append(out, e.Name()+" -> "+to)
		default:
			out = append(out, e.Name())
		}
	}
	return strings.Join(out, ", ")
}

// limits are those that are not the caller's own.
func (o *observer) limits(pid int) map[string]string {
	mine, theirs := limitsOf(o.t, os.Getpid()), limitsOf(o.t, pid)
	out := map[string]string{}
	for name, value := range theirs {
		if value != mine[name] {
			out[name] = value
		}
	}
	return out
}

var limitLine = regexp.MustCompile(`(?m)^Max ([a-z ]+?) {2,}(\S+) +(\S+)`)

func limitsOf(t *testing.T, pid int) map[string]string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, m := range limitLine.FindAllStringSubmatch(string(b), -1) {
		out[m[1]] = m[2] + ":" + m[3]
	}
	return out
}
