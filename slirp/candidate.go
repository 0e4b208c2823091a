package slirp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// candidates bounds the search for a free port: a whole range is tried, the
// kernel's choice sixteen times.
const candidates = 65536

var errNoFreePort = errors.New("no port is free")

// candidate is the n-th port to try for p.
func candidate(ctx context.Context, p Port, n int) (uint16, error) {
	if p.HostLast != 0 {
		if n > int(p.HostLast-p.HostPort) {
			return 0, fmt.Errorf("%w: %w from %d to %d", ErrPortInUse, errNoFreePort, p.HostPort, p.HostLast)
		}
		return p.HostPort + uint16(n), nil
	}
	if n >= 16 {
		return 0, fmt.Errorf("%w: %w", ErrPortInUse, errNoFreePort)
	}
	// rootlesskit's interface wants a number. Somebody may take the port between our
	// closing it and the driver's opening it; then there is a next time.
	host := ""
	if p.HostIP.IsValid() {
		host = p.HostIP.String()
	}
	addr := net.JoinHostPort(host, "0")
	if p.Protocol == TCP {
		l, err := (&net.ListenConfig{}).Listen(ctx, p.network(), addr)
		if err != nil {
			return 0, err
		}
		defer l.Close()
		return portOf(l.Addr()), nil
	}
	c, err := (&net.ListenConfig{}).ListenPacket(ctx, p.network(), addr)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return portOf(c.LocalAddr()), nil
}

func portOf(a net.Addr) uint16 {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return 0
	}
	return ap.Port()
}

// network is Go's name for what to listen on. The version is said where the
// address has one: "tcp" on 0.0.0.0 would listen on IPv6 too.
func (p Port) network() string {
	switch {
	case !p.HostIP.IsValid():
		return string(p.Protocol)
	case p.HostIP.Is4():
		return string(p.Protocol) + "4"
	}
	return string(p.Protocol) + "6"
}
