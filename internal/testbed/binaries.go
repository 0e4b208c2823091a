package testbed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// programs are the executables under test; burrow finds the others beside it.
var programs = []string{"burrow", "burrow-image"}

// ModuleRoot is the directory of go.mod.
var ModuleRoot = sync.OnceValues(func() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("no go.mod above the working directory")
})

// Binaries returns the directory of the executables under test:
// $BURROW_TEST_BIN, or bin/, made anew if a source file is newer.
func Binaries(ctx context.Context) (string, error) {
	if dir := os.Getenv("BURROW_TEST_BIN"); dir != "" {
		return dir, nil
	}
	root, err := ModuleRoot()
	if err != nil {
		return "", err
	}
	newest, err := newestSource(root)
	if err != nil {
		return "", err
	}
	bin := filepath.Join(root, "bin")
	if newerThan(bin, newest) {
		return bin, nil
	}
	lock, err := lockFile(ctx, filepath.Join(bin, ".lock"), unix.LOCK_EX)
	if err != nil {
		return "", fmt.Errorf("bin/ is older than the sources: make build: %w", err)
	}
	defer lock.Close()
	return bin, build(ctx, root, bin)
}

// build leaves flags and tags to the Makefile.
func build(ctx context.Context, root, bin string) error {
	args := []string{"-s", "--no-print-directory", "-C", root}
	for _, p := range programs {
		args = append(args, "bin/"+p)
	}
	if out, err := exec.CommandContext(ctx, "make", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("make build: %w\n%s", err, out)
	}
	now := time.Now() // the linker leaves a file alone that would not change
	for _, p := range programs {
		if err := os.Chtimes(filepath.Join(bin, p), now, now); err != nil {
			return err
		}
	}
	return nil
}

// Fresh is an error if an executable of bin/ is older than a source. A package that
// runs the executables calls it in a test: that tells go test which files its cached
// result depends on, the images' recipe among them; what TestMain looks at is not noted.
func Fresh() error {
	root, err := ModuleRoot()
	if err != nil {
		return err
	}
	newest, err := newestSource(root)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(root, "hack", "test-fixtures.sh")); err != nil {
		return err
	}
	if os.Getenv("BURROW_TEST_BIN") == "" && !newerThan(filepath.Join(root, "bin"), newest) {
		return errors.New("bin/ is older than the sources: make build")
	}
	return nil
}

// newestSource walks everything that the executables are made of. It does not list the
// module's own directory: go test would note that the times of .git and .cache change.
func newestSource(root string) (newest time.Time, err error) {
	look := func(path string) error {
		info, err := os.Stat(path) // not DirEntry.Info: go test notes this one
		if err != nil {
			return err
		}
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		return nil
	}
	walk := func(path string, d fs.DirEntry, err error) error {
		name := filepath.Base(path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (name == "testdata" || name == "testbed"):
			return fs.SkipDir
		case d.IsDir(), !slices.Contains([]string{".go", ".c", ".h"}, filepath.Ext(name)), strings.HasSuffix(name, "_test.go"):
			return nil
		}
		return look(path)
	}
	err = look(filepath.Join(root, "go.mod"))
	for _, dir := range []string{"cmd", "engine", "idmap", "internal", "security", "slirp", "userns"} {
		if err == nil {
			err = filepath.WalkDir(filepath.Join(root, dir), walk)
		}
	}
	return newest, err
}

func newerThan(dir string, t time.Time) bool {
	for _, p := range programs {
		info, err := os.Stat(filepath.Join(dir, p))
		if err != nil || info.ModTime().Before(t) {
			return false
		}
	}
	return true
}

func copyFile(from, to string, mode fs.FileMode) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, mode)
}
