package launch

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// consolePair is the socket over which the container's init sends the master
// end of the terminal that it made inside (its devpts is not ours).
type consolePair struct{ parent, child *os.File }

func newConsolePair() (*consolePair, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	return &consolePair{
		parent: os.NewFile(uintptr(fds[0]), "console parent"),
		child:  os.NewFile(uintptr(fds[1]), "console child"),
	}, nil
}

func (p *consolePair) close() {
	p.parent.Close()
	p.child.Close()
}

// receive takes the master. The child has sent it before it reported ready, so
// this does not block.
func (p *consolePair) receive(context.Context) (*os.File, error) {
	f, err := sys.RecvFile(p.parent)
	if err != nil {
		return nil, fmt.Errorf("receive terminal: %w", err)
	}
	return f, nil
}
