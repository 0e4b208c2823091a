package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// OpenPidfd refers to a process that the caller knows to be there, for [AwaitEnd].
func OpenPidfd(pid int) (*os.File, error) {
	fd, err := unix.PidfdOpen(pid, unix.PIDFD_NONBLOCK) // Linux 5.10
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return os.NewFile(uintptr(fd), "pidfd"), nil
}

// AwaitEnd returns when the process that a file of OpenPidfd refers to has ended. It takes
// no thread for it, as waitid(2) would.
func AwaitEnd(pidfd *os.File) error {
	raw, err := pidfd.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			if errors.Is(err, unix.EINTR) {
				continue
			}
			failed = os.NewSyscallError("poll", err)
			return n > 0 || err != nil
		}
	})
	return errors.Join(err, failed)
}
