package hint

import (
	"errors"
	"os"
	"syscall"
)

// OfHost is what usually helps where the host has run out of something, "" for
// any other error. It looks at the errno, not at the text.
func OfHost(err error) string {
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return "the disk is full: burrow rm and burrow rmi free space without needing any"
	case errors.Is(err, syscall.EDQUOT):
		return "your disk quota is used up: burrow rm and burrow rmi free space"
	case errors.Is(err, syscall.EROFS):
		return "set XDG_DATA_HOME and XDG_STATE_HOME to a writable directory"
	case errors.Is(err, syscall.EFBIG):
		return "files may not become larger than ulimit -f says: ulimit -f unlimited; limits.conf(5), \"fsize\", says who may"
	case errors.Is(err, syscall.EAGAIN) && isFork(err):
		return "you have as many processes and threads as you may: ulimit -u says how many; or pids.max of your cgroup is reached"
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return "too many files are open: ulimit -Hn shows the most you may have; limits.conf(5) says who may have more"
	}
	return ""
}

// isFork says that it is about making a process: EAGAIN means many things.
func isFork(err error) bool {
	var at *os.PathError
	var call *os.SyscallError
	return errors.As(err, &at) && at.Op == "fork/exec" || errors.As(err, &call) && call.Syscall == "fork"
}
