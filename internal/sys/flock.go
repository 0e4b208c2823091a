package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// TryLockFile locks an open file or directory for this process alone, without
// waiting: another's lock is EAGAIN. The lock belongs to the open file and ends
// with it, by SIGKILL too (flock(2)).
func TryLockFile(f *os.File) error { return flock(f, unix.LOCK_EX|unix.LOCK_NB) }

// LockFile is TryLockFile that waits. It is for locks that are held shortly.
func LockFile(f *os.File) error { return flock(f, unix.LOCK_EX) }

// TryShareFile is TryLockFile for a lock that several may have, if nobody has it
// alone. A lock that the file has already is exchanged; where that fails, it has none.
func TryShareFile(f *os.File) error { return flock(f, unix.LOCK_SH|unix.LOCK_NB) }

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
		return nil
	}
}
