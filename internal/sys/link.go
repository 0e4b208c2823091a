package sys

import (
	"os"

	"golang.org/x/sys/unix"
)

// LinkUp brings up the interface name in the network namespace of the calling
// thread. One ioctl is 20 times cheaper than a netlink library's dump, and 500
// times cheaper than ip(8).
func LinkUp(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	req, err := unix.NewIfreq(name)
	if err != nil {
		return &os.PathError{Op: "link up", Path: name, Err: err}
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, req); err != nil {
		return &os.PathError{Op: "get link flags", Path: name, Err: err}
	}
	req.SetUint16(req.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, req); err != nil {
		return &os.PathError{Op: "link up", Path: name, Err: err}
	}
	return nil
}
