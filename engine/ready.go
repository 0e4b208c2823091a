package engine

import (
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// copyBuffers are for as long as there is something to copy: a container that is
// silent keeps none.
var copyBuffers = sync.Pool{New: func() any { return new([16 << 10]byte) }}

// readReady waits until there is something to read from f and hands it to got, which
// must not keep it.
func readReady(f *os.File, got func([]byte)) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	patience := 0
	if f.SetReadDeadline(time.Time{}) != nil {
		patience = -1 // the runtime cannot wait for this one
	}
	var n int
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		poll := [...]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if ready, err := ignoringEINTR(func() (int, error) { return unix.Poll(poll[:], patience) }); ready == 0 && err == nil {
			return false // nothing yet: no buffer either
		}
		buf, _ := copyBuffers.Get().(*[16 << 10]byte)
		defer copyBuffers.Put(buf)
		n, failed = ignoringEINTR(func() (int, error) { return unix.Read(int(fd), buf[:]) })
		if errors.Is(failed, unix.EAGAIN) {
			return false
		}
		if n > 0 {
			got(buf[:n])
		}
		return true
	})
	if err == nil {
		err = failed
	}
	if err == nil && n == 0 {
		err = io.EOF
	}
	return err
}

func ignoringEINTR(f func() (int, error)) (int, error) {
	for {
		n, err := f()
		if !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
