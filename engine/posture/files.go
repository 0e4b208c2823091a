package posture

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// Files are all mounts that a process sees, and what is in its /dev.
func (o Observer) Files(pid int) (Facts, error) {
	out, err := o.Mounts(pid)
	if err != nil {
		return nil, err
	}
	out["devices"] = o.devices(pid)
	return out, nil
}

// Mounts are all mounts that a process sees: what each is, how, and whether it is
// passed on. One that another hides by being on top of it is not among them.
func (o Observer) Mounts(pid int) (Facts, error) {
	b, err := os.ReadFile(path(pid, "mountinfo"))
	if err != nil {
		return nil, err
	}
	out := Facts{}
	for line := range strings.Lines(string(b)) {
		before, after, _ := strings.Cut(strings.TrimSpace(line), " - ")
		f, fs := strings.Fields(before), strings.Fields(after)
		if len(f) < 6 || len(fs) == 0 {
			return nil, fmt.Errorf("%s: not a line of mountinfo: %q", path(pid, "mountinfo"), line)
		}
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
	return out, nil
}

// devices is what is in /dev, links with where they lead.
func (o Observer) devices(pid int) string {
	root, err := sys.OpenDir(path(pid, "root"))
	if err != nil {
		return orWhy("", err)
	}
	defer root.Close()
	dev, err := sys.OpenInRootOf(root, "dev", unix.O_DIRECTORY)
	if err != nil {
		return orWhy("", err)
	}
	defer dev.Close()
	names, err := entries(dev)
	if err != nil {
		return orWhy("", err)
	}
	out := make([]string, 0, len(names))
	for _, name := range names {
		out = append(out, device(dev, name))
	}
	return strings.Join(out, ", ")
}

func device(dir *os.File, name string) string {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return name + " " + err.Error()
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFCHR, unix.S_IFBLK:
		return fmt.Sprintf("%s %d:%d", name, unix.Major(st.Rdev), unix.Minor(st.Rdev))
	case unix.S_IFLNK:
		to := make([]byte, 256)
		n, _ := unix.Readlinkat(int(dir.Fd()), name, to)
		return name + " -> " + string(to[:max(n, 0)])
	}
	return name
}

// link is a link of /proc/PID with the run's own directories named.
func (o Observer) link(pid int, name string) string {
	to, err := os.Readlink(path(pid, name))
	return orWhy(o.place(to), err)
}

func (o Observer) place(path string) string {
	if o.Place == nil {
		return path
	}
	return o.Place(path)
}

// environment is the names of the variables.
func environment(pid int) string {
	b, err := os.ReadFile(path(pid, "environ"))
	var out []string
	for kv := range strings.SplitSeq(strings.Trim(string(b), "\x00"), "\x00") {
		name, _, _ := strings.Cut(kv, "=")
		out = append(out, name)
	}
	slices.Sort(out)
	return orWhy(strings.Join(out, " "), err)
}

// most bounds what is read of a directory that a container can fill.
const most = 4096

func entries(dir *os.File) ([]string, error) {
	names, err := dir.Readdirnames(most)
	if errors.Is(err, io.EOF) { // none
		err = nil
	}
	slices.Sort(names)
	return names, err
}

// descriptors is what the standard streams are and each kind of thing besides.
func (o Observer) descriptors(pid int) string {
	dir, err := sys.OpenDir(path(pid, "fd"))
	if err != nil {
		return orWhy("", err)
	}
	defer dir.Close()
	names, err := entries(dir)
	if err != nil {
		return orWhy("", err)
	}
	var std, more []string
	for _, name := range names {
		to := o.link(pid, "fd/"+name)
		if n, _ := strconv.Atoi(name); n <= 2 {
			std = append(std, name+" "+to)
		} else {
			more = append(more, to)
		}
	}
	slices.Sort(std)
	slices.Sort(more)
	return strings.Join(append(std, slices.Compact(more)...), ", ")
}
