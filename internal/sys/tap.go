package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// PersistentTap makes a tap device in the network namespace of the calling
// thread. It stays when nobody holds it open, until the namespace goes.
func PersistentTap(name string) error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: "/dev/net/tun", Err: err}
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return &os.PathError{Op: "make tap", Path: name, Err: err}
	}
	req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return &os.PathError{Op: "make tap", Path: name, Err: err}
	}
	if err := unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1); err != nil {
		return &os.PathError{Op: "keep tap", Path: name, Err: err}
	}
	return nil
}
