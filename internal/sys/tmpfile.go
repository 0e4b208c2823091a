package sys

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// UnnamedFile makes a file without a name in the file system of dir. It is gone
// with its last descriptor, whoever is killed, unless NameFile gives it a name.
// The umask applies to mode. The error is errors.ErrUnsupported where the file
// system has no such files (open(2), O_TMPFILE).
func UnnamedFile(dir *os.File, mode uint32) (*os.File, error) {
	fd, err := unix.Openat(int(dir.Fd()), ".", unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, mode)
	if err != nil {
		return nil, &os.PathError{Op: "open unnamed file in", Path: dir.Name(), Err: err}
	}
	return os.NewFile(uintptr(fd), dir.Name()), nil
}

// NameFile gives a file that UnnamedFile has made a name in dir: EEXIST if
// somebody has it. It goes by way of /proc, as AT_EMPTY_PATH wants
// CAP_DAC_READ_SEARCH in the initial user namespace before Linux 6.10 (linkat(2)).
func NameFile(f, dir *os.File, name string) error {
	err := unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), int(dir.Fd()), name, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &os.PathError{Op: "link", Path: name, Err: err}
	}
	return nil
}
