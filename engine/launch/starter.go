package launch

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"
)

// EndWithStarter ends this process, libcontainer's first in the container, as
// soon as the one that started it is gone. libcontainer asks the kernel for that
// too, but a change of credentials makes the kernel forget it, and from inside
// a PID namespace a parent that is gone looks like one that is there
// (getppid(2) is 0 both times). Then it would wait for its release for ever. The gate
// asks the kernel again, so this is needed until there: exec ends the goroutine.
//
// It finds the gate's status socket, whose other end only the starter has, as the
// file before libcontainer's own (newProcess), with the help of the environment
// that libcontainer has made. It does nothing if there is none.
func EndWithStarter(getenv func(string) string) {
	if status := statusSocket(getenv); status >= 0 {
		go endWith(status)
	}
}

// endWith waits until nobody has the other end of the socket status.
func endWith(status int) {
	fds := []unix.PollFd{{Fd: int32(status)}}
	for {
		_, err := unix.Poll(fds, -1)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err == nil && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
			unix.Exit(137) // as if killed; nobody is left who would hear more
		}
		return
	}
}

// statusSocket is the descriptor of the gate's status socket in libcontainer's init, -1 if there is none.
func statusSocket(getenv func(string) string) int {
	next := getenv("_LIBCONTAINER_CONSOLE")
	if next == "" {
		next = getenv("_LIBCONTAINER_INITPIPE")
	}
	n, err := strconv.Atoi(next)
	if err != nil {
		return -1
	}
	// The cgroup's directory may be in between.
	for fd := n - 1; fd >= n-2 && fd > 2; fd-- {
		var st unix.Stat_t
		if unix.Fstat(fd, &st) == nil && st.Mode&unix.S_IFMT == unix.S_IFSOCK {
			return fd
		}
	}
	return -1
}
