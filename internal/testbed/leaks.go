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
		if err != nil || !slices.Contains(chain, st.Ino) || gone(n) {
			continue // gone, or somebody else's
		}
		out = append(out, Process{n, chain[0], describe(n)})
	}
	return out, nil
}

// describe returns a process's command line, and its name and state if that is empty.
func describe(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if len(b) == 0 {
		b, _ = os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	}
	return strings.ReplaceAll(string(b), "\x00", " ")
}

// gone says that the process is on its way out of the kernel; when it gets there,
// and when init collects it, is not the engine's matter.
func gone(pid int) bool {
	const exiting = 0x4 // PF_EXITING of linux/sched.h
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, ok := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if err != nil || !ok || len(f) < 7 {
		return true
	}
	flags, err := strconv.ParseUint(f[6], 10, 64)
	return err != nil || flags&exiting != 0 || f[0] == "Z" || f[0] == "X"
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
			return out, nil //nolint:nilerr // the caller's own is as far as one can see
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
	for _, sub := range []string{"containers", "names", "unsettled"} {
		found, err := tree(filepath.Join(stateHome, "burrow", sub))
		if err != nil {
			return nil, err
		}
		// When everything was looked at last.
		found = slices.DeleteFunc(found, func(path string) bool { return filepath.Base(path) == ".swept" })
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
