package testbed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Process is a line of a census.
type Process struct {
	PID     int
	UserNS  uint64 // inode
	Command string
}

func (p Process) String() string { return fmt.Sprintf("%d %s", p.PID, p.Command) }

// Below returns every process whose user namespace is the one of process pid
// or a descendant of it: the anchor with all that runs in its containers.
func Below(pid int) ([]Process, error) {
	var st unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/ns/user", pid), &st); err != nil {
		return nil, os.NewSyscallError("stat user namespace of "+strconv.Itoa(pid), err)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var out []Process
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		chain, err := userNamespaces(n)
		if err != nil || !slices.Contains(chain, st.Ino) || zombie(n) {
			continue // gone, or somebody else's
		}
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", n))
		out = append(out, Process{n, chain[0], strings.ReplaceAll(string(cmdline), "\x00", " ")})
	}
	return out, nil
}

// zombie says that the process has ended; when init collects it is init's matter.
func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, ok := strings.Cut(string(b), ") ")
	return err != nil || !ok || strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}

// userNamespaces returns the inodes of a process's user namespace and of its
// ancestors as far up as the caller may see.
func userNamespaces(pid int) ([]uint64, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/user", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	var out []uint64
	for {
		var st unix.Stat_t
		err := unix.Fstat(fd, &st)
		if err != nil {
			unix.Close(fd)
			return nil, err
		}
		out = append(out, st.Ino)
		up, err := unix.IoctlRetInt(fd, unix.NS_GET_PARENT)
		unix.Close(fd)
		if err != nil {
			return out, nil // the caller's own is as far as one can see
		}
		fd = up
	}
}

// Anchor returns the pid of the anchor that the runtime directory names, 0 if none.
func Anchor(runtimeDir string) int {
	b, err := os.ReadFile(filepath.Join(runtimeDir, "burrow", "anchor"))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) == 0 {
		return 0
	}
	pid, err := strconv.Atoi(f[0])
	if err != nil || syscall.Kill(pid, 0) != nil {
		return 0
	}
	return pid
}

// Left returns what containers have left behind in the state and runtime
// directories and among the processes below the anchor, which itself may stay.
func Left(stateHome, runtimeDir string) ([]string, error) {
	var out []string
	for _, sub := range []string{"containers", "names"} {
		found, err := tree(filepath.Join(stateHome, "burrow", sub))
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	anchor := Anchor(runtimeDir)
	if anchor == 0 {
		return out, nil
	}
	below, err := Below(anchor)
	if err != nil {
		return nil, err
	}
	for _, p := range below {
		if p.PID != anchor {
			out = append(out, "process "+p.String())
		}
	}
	return out, nil
}

func tree(dir string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if path != dir {
			out = append(out, path)
		}
		if errors.Is(err, fs.ErrPermission) {
			return fs.SkipDir
		}
		return err
	})
	return out, err
}

// Mounts returns the mount points of this process's mount namespace.
func Mounts() ([]string, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 4 {
			out = append(out, f[4])
		}
	}
	slices.Sort(out)
	return out, nil
}
