package slirp

import (
	"errors"
	"net"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A UDP socket that listens on every address answers, if nothing is said, from
// the address that the route to the client suggests, which need not be the one
// that the client wrote to.

// askForLocalAddress has every datagram say to which address it came.
func askForLocalAddress(c *net.UDPConn) error {
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var four, six error
	err = rc.Control(func(fd uintptr) {
		four = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_PKTINFO, 1)
		six = unix.SetsockoptInt(int(fd), unix.SOL_IPV6, unix.IPV6_RECVPKTINFO, 1)
	})
	if err != nil {
		return err
	}
	if four != nil && six != nil {
		return errors.Join(os.NewSyscallError("setsockopt", four), os.NewSyscallError("setsockopt", six))
	}
	return nil // a socket of one family knows one of them
}

// replyFrom turns the control messages of a received datagram into the one
// that sends the answer from where it came to.
func replyFrom(oob []byte) []byte {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.SOL_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			info := *(*unix.Inet6Pktinfo)(unsafe.Pointer(&m.Data[0]))
			if !linkLocal(info.Addr) {
				info.Ifindex = 0 // any way out will do
			}
			return unix.PktInfo6(&info)
		case m.Header.Level == unix.SOL_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			info := *(*unix.Inet4Pktinfo)(unsafe.Pointer(&m.Data[0]))
			info.Ifindex = 0
			return unix.PktInfo4(&info)
		}
	}
	return nil
}

func linkLocal(a [16]byte) bool { return a[0] == 0xfe && a[1]&0xc0 == 0x80 }

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

func isRefused(err error) bool { return errors.Is(err, unix.ECONNREFUSED) }
