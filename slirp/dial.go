package slirp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// dialTimeout is for the container's kernel to say yes or no.
const dialTimeout = 5 * time.Second

// dialer makes connected sockets in a network namespace from any local
// address, also that of somebody far away. It has a thread that lives there:
// a socket belongs to the namespace of the thread that makes it, whoever uses
// it later.
type dialer struct {
	info Info
	jobs chan func()
	quit chan struct{}
}

func newDialer(ns *Netns, info Info) (*dialer, error) {
	d := &dialer{info: info, jobs: make(chan func()), quit: make(chan struct{})}
	joined := make(chan error, 1)
	sys.OnThread(func() bool {
		err := sys.JoinNetns(ns.File)
		joined <- err
		if err != nil {
			return true
		}
		for {
			select {
			case job := <-d.jobs:
				job()
			case <-d.quit:
				return false // the thread goes away
			}
		}
	})
	if err := <-joined; err != nil {
		return nil, err
	}
	return d, nil
}

func (d *dialer) close() { close(d.quit) }

// do runs fn on the dialer's thread. After close it reports false.
func (d *dialer) do(fn func()) bool {
	done := make(chan struct{})
	select {
	case d.jobs <- func() { defer close(done); fn() }:
		<-done
		return true
	case <-d.quit:
		return false
	}
}

var errClosed = errors.New("the session has ended")

// client is what the server will see of client. An address that means nothing
// in there becomes the gateway's, port 0: any. Never loopback.
func (d *dialer) client(client netip.AddrPort) netip.AddrPort {
	a := client.Addr().Unmap().WithZone("")
	if a.IsLoopback() || a.IsUnspecified() || a.Is6() && !d.info.Address6.IsValid() {
		return netip.AddrPortFrom(d.info.Gateway, 0)
	}
	return netip.AddrPortFrom(a, client.Port())
}

// dial connects to the container's port as client, over the client's version
// of IP, or else over IPv4 as the gateway: the server may listen on that alone.
func (d *dialer) dial(proto Protocol, client netip.AddrPort, port uint16) (*os.File, error) {
	from := d.client(client)
	f, err := d.connect(proto, from, port)
	if err == nil {
		return f, nil
	}
	gateway := netip.AddrPortFrom(d.info.Gateway, 0)
	retry := from.Addr().Is6() && errors.Is(err, unix.ECONNREFUSED) ||
		errors.Is(err, unix.EADDRINUSE) || errors.Is(err, unix.EADDRNOTAVAIL)
	if !retry || from == gateway {
		return nil, err
	}
	return d.connect(proto, gateway, port)
}

func (d *dialer) connect(proto Protocol, from netip.AddrPort, port uint16) (*os.File, error) {
	to := netip.AddrPortFrom(d.info.Address.Addr(), port)
	if from.Addr().Is6() {
		to = netip.AddrPortFrom(d.info.Address6.Addr(), port)
	}
	fd, err := -1, error(nil)
	if !d.do(func() { fd, err = transparent(proto, from, to) }) {
		return nil, errClosed
	}
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), fmt.Sprintf("%s %s→%s", proto, from, to))
	if proto == UDP {
		return f, nil
	}
	if err := awaitConnected(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("connect to %s: %w", to, err)
	}
	return f, nil
}

// transparent begins to connect a socket that claims to be from. It needs
// CAP_NET_ADMIN over the namespace, for IP_TRANSPARENT and for the mark.
func transparent(proto Protocol, from, to netip.AddrPort) (fd int, err error) {
	kind := unix.SOCK_STREAM
	if proto == UDP {
		kind = unix.SOCK_DGRAM
	}
	fd, err = unix.Socket(int(family(to.Addr())), kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	level, option := unix.SOL_IP, unix.IP_TRANSPARENT
	if to.Addr().Is6() {
		level, option = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	}
	for _, o := range [][3]int{
		{level, option, 1},
		{unix.SOL_SOCKET, unix.SO_MARK, replyMark},
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1}, // the client may be back before TIME_WAIT is over
	} {
		if err := unix.SetsockoptInt(fd, o[0], o[1], o[2]); err != nil {
			return -1, os.NewSyscallError("setsockopt", err)
		}
	}
	if err := unix.Bind(fd, sockaddr(from)); err != nil {
		return -1, os.NewSyscallError("bind", err)
	}
	if err := unix.Connect(fd, sockaddr(to)); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return -1, os.NewSyscallError("connect", err)
	}
	return fd, nil
}

// awaitConnected waits for the outcome of a connect that has begun.
func awaitConnected(f *os.File) error {
	if err := f.SetDeadline(time.Now().Add(dialTimeout)); err != nil {
		return err
	}
	rc, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var outcome error
	err = rc.Write(func(fd uintptr) bool {
		n, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		switch {
		case err != nil:
			outcome = err
			return true
		case n != 0:
			outcome = unix.Errno(n)
			return true
		}
		_, err = unix.Getpeername(int(fd))
		return err == nil // else not yet: wait until it is writable
	})
	if err == nil {
		err = outcome
	}
	return errors.Join(err, f.SetDeadline(time.Time{}))
}

// netConn makes a net.Conn of f, which is closed.
func netConn(f *os.File) (net.Conn, error) {
	defer f.Close()
	return net.FileConn(f)
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func family(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
