package sys

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// RecvFile receives one file over a socket of AF_UNIX. The bytes that come with
// it are its name. More or fewer files than one are an error, and closed.
func RecvFile(socket *os.File) (*os.File, error) {
	name := make([]byte, unix.PathMax)
	rights := make([]byte, unix.CmsgSpace(4)) // one int
	var n, used int
	for {
		var err error
		n, used, _, _, err = unix.Recvmsg(int(socket.Fd()), name, rights, unix.MSG_CMSG_CLOEXEC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, os.NewSyscallError("recvmsg", err)
		}
		break
	}
	fds, err := receivedFDs(rights[:used])
	if err == nil && (len(fds) != 1 || n == len(name)) {
		err = fmt.Errorf("%d files with %d bytes of name", len(fds), n)
	}
	if err != nil {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
		return nil, fmt.Errorf("receive file: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), string(name[:n])), nil
}

// receivedFDs are all descriptors of a control message; also those before an
// error, for they are in our table.
func receivedFDs(control []byte) ([]int, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	var out []int
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return out, err
		}
		out = append(out, fds...)
	}
	return out, nil
}
