package security

import (
	"fmt"
	"runtime"

	"github.com/opencontainers/selinux/go-selinux"
)

// WithSocketLabel calls open with sockets labelled as a container's own, so that
// the container may send to them: SELinux looks at the label of the socket, which
// is otherwise that of whoever has made it. "" makes no difference.
func WithSocketLabel(label string, open func() error) error {
	if label == "" {
		return open()
	}
	runtime.LockOSThread() // the label is the thread's
	defer runtime.UnlockOSThread()
	if err := selinux.SetSocketLabel(label); err != nil {
		return fmt.Errorf("set SELinux label of sockets: %w", err)
	}
	err := open()
	if reset := selinux.SetSocketLabel(""); err == nil && reset != nil {
		err = fmt.Errorf("reset SELinux label of sockets: %w", reset)
	}
	return err
}
