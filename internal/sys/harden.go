package sys

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Undumpable keeps others of the same user from tracing this process and from
// reading its memory and descriptors through /proc, and the kernel from writing
// a core of it (PR_SET_DUMPABLE in prctl(2), RLIMIT_CORE). execve undoes the first.
func Undumpable() error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl(PR_SET_DUMPABLE)", err)
	}
	return os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}))
}

// FilterAllThreads loads a seccomp program, a struct sock_filter array, for all
// threads of this process, and no_new_privs with it (SECCOMP_FILTER_FLAG_TSYNC,
// Linux 3.17). It cannot be undone.
func FilterAllThreads(program []byte) error {
	const size = int(unsafe.Sizeof(unix.SockFilter{}))
	if len(program) == 0 || len(program)%size != 0 {
		return errors.New("bug: seccomp program of odd length")
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl(PR_SET_NO_NEW_PRIVS)", err)
	}
	prog := unix.SockFprog{
		Len:    uint16(len(program) / size),
		Filter: (*unix.SockFilter)(unsafe.Pointer(unsafe.SliceData(program))),
	}
	r, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&prog)))
	switch {
	case errno != 0:
		return os.NewSyscallError("seccomp", errno)
	case r != 0:
		return errors.New("seccomp: a thread has another filter")
	}
	return nil
}
