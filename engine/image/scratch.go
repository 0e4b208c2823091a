package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// Temporary data lives on the store's file system, in two places: our own
// files in storage/tmp/, one locked directory per process, and layers that are
// being unpacked in storage/overlay/staging/, each with a lock of the storage
// library's. A lock ends with its process, so whoever finds a directory
// unlocked may remove it.

// settle is how old a directory must be to be judged by its lock: between
// making and locking it there is a moment.
const settle = 10 * time.Second

// scratch is this store's own temporary directory.
type scratch struct {
	dir  string
	lock *os.File
}

// temp returns the directory for temporary files, making it on first use.
func (s *Store) temp() (string, error) {
	sc, err := s.scratch()
	if err != nil {
		return "", fmt.Errorf("make temporary directory: %w", err)
	}
	return sc.dir, nil
}

func (s *Store) makeScratch() (*scratch, error) {
	base := filepath.Join(s.dirs.Storage(), "tmp")
	if err := os.MkdirAll(base, 0o700); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(base, "p-*")
	if err != nil {
		return nil, err
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(os.NewSyscallError("flock", err), f.Close())
	}
	s.made = &scratch{dir, f}
	return s.made, nil
}

func (s *Store) dropScratch() error {
	if s.made == nil {
		return nil
	}
	return errors.Join(os.RemoveAll(s.made.dir), s.made.lock.Close())
}

// sweep removes what killed processes left. It only looks at two directories
// that are empty as a rule.
func (s *Store) sweep() error {
	return errors.Join(
		sweepDir(filepath.Join(s.dirs.Storage(), "tmp"), lockedDir),
		sweepDir(filepath.Join(s.dirs.Storage(), driver, "staging"), lockedStaging),
	)
}

func sweepDir(base string, owned func(dir string) bool) error {
	entries, err := os.ReadDir(base)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep temporary files: %w", err)
	}
	var errs []error
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < settle {
			continue // gone, or too young to tell
		}
		if dir := filepath.Join(base, e.Name()); !owned(dir) {
			errs = append(errs, os.RemoveAll(dir))
		}
	}
	return errors.Join(errs...)
}

func lockedDir(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil
}

// lockedStaging asks for the lock that the storage library holds on a file in
// each staging directory.
func lockedStaging(dir string) bool {
	f, err := os.OpenFile(filepath.Join(dir, "staging.lock"), os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return false // no lock, no owner
	}
	defer f.Close()
	return sys.TryLockByte(f, 0, sys.LockExclusive) != nil
}
