package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// LockKind says who else may lock the same byte.
type LockKind int16

// The kinds of lock.
const (
	LockShared    LockKind = unix.F_RDLCK
	LockExclusive LockKind = unix.F_WRLCK
	Unlocked      LockKind = unix.F_UNLCK
)

// TryLockByte locks one byte of f, or changes or drops its lock, without
// waiting: another's lock is EAGAIN. It is an open file description lock
// (fcntl_locking(2), Linux 3.15): it belongs to the open file and ends when
// the last descriptor of it is closed, by SIGKILL too. Unlike flock(2), a
// change of kind is atomic, and OthersLockByte can look without disturbing.
func TryLockByte(f *os.File, at int64, kind LockKind) error {
	l := unix.Flock_t{Type: int16(kind), Start: at, Len: 1}
	for {
		err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &l)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if errors.Is(err, unix.EACCES) { // fcntl(2): either of the two
			err = unix.EAGAIN
		}
		if err != nil {
			return &os.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
		return nil
	}
}

// OthersLockByte says whether another open file holds a lock on the byte.
func OthersLockByte(f *os.File, at int64) (bool, error) {
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: at, Len: 1}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, &l); err != nil {
		return false, &os.PathError{Op: "query lock", Path: f.Name(), Err: err}
	}
	return l.Type != unix.F_UNLCK, nil
}
