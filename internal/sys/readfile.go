package sys

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// ReadFile is os.ReadFile for small files in great number: three system calls
// instead of eight, because the file never meets the runtime's poller.
func ReadFile(name string) ([]byte, error) { return readFile(unix.AT_FDCWD, name, nil) }

// ReadFileAt is ReadFile for a file in or below dir, into buf where that is large
// enough. What it returns without an error is for the next call to use again; with
// one it is buf.
func ReadFileAt(dir *os.File, name string, buf []byte) ([]byte, error) {
	b, err := readFile(int(dir.Fd()), name, buf)
	if err != nil {
		return buf, err
	}
	return b, nil
}

func readFile(dir int, name string, buf []byte) ([]byte, error) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	if buf = buf[:cap(buf)]; len(buf) == 0 {
		buf = make([]byte, 4<<10)
	}
	for n := 0; ; {
		m, err := unix.Read(fd, buf[n:])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: name, Err: err}
		}
		n += m
		if n < len(buf) {
			return buf[:n], nil // a regular file gives less only at its end
		}
		buf = append(buf, make([]byte, len(buf))...)
	}
}
