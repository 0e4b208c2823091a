package sys_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// deepen makes directories of the name d in one another below dir, and a file at the bottom:
// deeper than a path can be long.
func deepen(t *testing.T, dir string, levels int) {
	t.Helper()
	at, err := sys.OpenDir(dir)
	must(t, err)
	for range levels {
		must(t, unix.Mkdirat(int(at.Fd()), "d", 0o755))
		fd, err := unix.Openat(int(at.Fd()), "d", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		must(t, err)
		at.Close()
		at = os.NewFile(uintptr(fd), "d")
	}
	fd, err := unix.Openat(int(at.Fd()), "bottom", unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o644)
	must(t, err)
	_, err = unix.Write(fd, []byte("12345"))
	must(t, errors.Join(err, unix.Close(fd), at.Close()))
}

// fewFiles leaves this process so few descriptors until the test ends.
func fewFiles(t *testing.T, most uint64) {
	t.Helper()
	var was unix.Rlimit
	must(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &was))
	must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: was.Max}))
	t.Cleanup(func() { must(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &was)) })
}

func TestRemoveTree(t *testing.T) {
	_, outside := trees(t)
	fewFiles(t, 256)
	top := filepath.Join(t.TempDir(), "tree")
	must(t, os.MkdirAll(filepath.Join(top, "a", "b"), 0o755))
	for i := range 2500 { // more than one batch
		must(t, os.WriteFile(filepath.Join(top, "a", "b", strconv.Itoa(i)), nil, 0o644))
	}
	must(t, os.Symlink(outside, filepath.Join(top, "a", "link")))
	must(t, unix.Mkfifo(filepath.Join(top, "fifo"), 0o600))
	// What it would call a directory that it takes up is there.
	must(t, os.WriteFile(filepath.Join(top, ".lifted-1"), nil, 0o644))
	must(t, os.MkdirAll(filepath.Join(top, ".lifted-2", "full"), 0o755))
	must(t, os.Mkdir(filepath.Join(top, ".lifted-3"), 0o755))
	for i := range 3 {
		dir := filepath.Join(top, "a", "deep"+strconv.Itoa(i))
		must(t, os.Mkdir(dir, 0o755))
		deepen(t, dir, 600)
	}
	// The control: with so few descriptors it cannot be done the usual way.
	if err := os.RemoveAll(filepath.Join(top, "a", "deep0")); !errors.Is(err, unix.EMFILE) {
		t.Fatalf("os.RemoveAll: %v", err)
	}
	must(t, sys.RemoveTree(top))
	if _, err := os.Lstat(top); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) == 0 {
		t.Errorf("what a link led to is gone: %v", err)
	}
	must(t, sys.RemoveTree(top)) // nothing is there
	must(t, sys.RemoveTree(filepath.Join(top, "no", "such")))
	must(t, os.WriteFile(top, nil, 0o644))
	must(t, sys.RemoveTree(top)) // a file
	must(t, os.Symlink(outside, top))
	must(t, sys.RemoveTree(top)) // a link
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}

// A directory that may not be emptied is an error, not an endless loop.
func TestRemoveTreeFails(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("probe: nothing is forbidden to root")
	}
	top := filepath.Join(t.TempDir(), "tree")
	shut := filepath.Join(top, "shut")
	must(t, os.MkdirAll(filepath.Join(shut, "in"), 0o755))
	must(t, os.Chmod(shut, 0o555))
	if err := sys.RemoveTree(top); !errors.Is(err, os.ErrPermission) {
		t.Errorf("%v", err)
	}
	must(t, os.Chmod(shut, 0o755))
	must(t, sys.RemoveTree(top))
}

// TestWalkDeep: a tree deeper than a path is long is walked to its bottom with few
// descriptors, and what is there can be reached.
func TestWalkDeep(t *testing.T) {
	top := t.TempDir()
	deepen(t, top, 2200)
	fewFiles(t, 64)
	dir, err := sys.OpenDir(top)
	must(t, err)
	defer dir.Close()
	// The control: by a path it is not to be reached.
	long := make([]byte, 0, 4400)
	for range 2200 {
		long = append(long, "d/"...)
	}
	if _, err := sys.StatBeneath(dir, string(long)+"bottom"); !errors.Is(err, unix.ENAMETOOLONG) {
		t.Fatalf("%v", err)
	}
	seen, found := 0, false
	must(t, sys.WalkDeep(dir, func(at *os.File, name string, st *unix.Stat_t) error {
		seen++
		if filepath.Base(name) != "bottom" {
			return nil
		}
		found = st.Size == 5
		_, err := sys.StatBeneath(at, name)
		return err
	}))
	if seen != 2201 || !found {
		t.Errorf("seen %d, bottom %v", seen, found)
	}
	must(t, sys.ChownTree(top, os.Getuid(), os.Getgid()))
	names := 0
	must(t, sys.WalkBeneath(dir, func(name string, _ *unix.Stat_t) error {
		names = max(names, len(name))
		return nil
	}))
	if names != len(long)+len("bottom") {
		t.Errorf("the longest name has %d bytes", names)
	}
	must(t, sys.RemoveTree(filepath.Join(top, "d")))
}
