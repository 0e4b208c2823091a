package sys

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Inherit lets the program that this process executes next have a file. The number
// that it has there is returned; the file stays as it is, not blocking if it was not.
func Inherit(f *os.File) (fd int, err error) { return keepOpen(f, 0) }

// Disinherit takes Inherit back.
func Disinherit(f *os.File) error {
	_, err := keepOpen(f, unix.FD_CLOEXEC)
	return err
}

func keepOpen(f *os.File, flags int) (fd int, err error) {
	raw, err := f.SyscallConn() // Fd would make it block
	if err != nil {
		return -1, err
	}
	err = raw.Control(func(n uintptr) { fd = int(n) })
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_SETFD, flags)
	}
	if err != nil {
		return -1, os.NewSyscallError("fcntl(F_SETFD)", err)
	}
	return fd, nil
}

// Inherited is the file with that number, which this process was started with. It
// gets it for itself.
func Inherited(fd int, name string) (*os.File, error) {
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("fcntl(F_SETFD)", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// ExecFrom executes program with this thread: of all others nothing is left. The thread
// goes back to the mount namespace mounts and the directory cwd before, which it may have
// left. It returns only with an error.
//
// What this thread has started keeps it as its parent, so a wish to die with it
// (PR_SET_PDEATHSIG) is not fulfilled now: whoever has been started by another thread,
// and wishes that, ends.
func ExecFrom(mounts, cwd *os.File, program string, args, env []string) error {
	if err := JoinMounts(mounts); err != nil {
		return err
	}
	if err := cwd.Chdir(); err != nil {
		return err
	}
	return os.NewSyscallError("execve", syscall.Exec(program, args, env))
}
