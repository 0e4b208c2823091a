package sys

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Rule is a routing policy rule. Zero fields do not restrict it.
type Rule struct {
	Priority uint32
	To       netip.Prefix
	Protocol uint8 // unix.IPPROTO_…
	Sport    uint16
	Dport    uint16
	Mark     uint32
	Table    uint32 // 0: such packets are prohibited
}

// Route is a route in a table of its own.
type Route struct {
	Dst     netip.Prefix
	Gateway netip.Addr
	Source  netip.Addr // preferred source address
	Link    string
	Table   uint32 // 0: main
	Local   bool   // packets are for this host
}

// Rtnl is a routing netlink socket. It belongs to the network namespace of
// the thread that opened it and can be used from any.
type Rtnl struct{ fd int }

// OpenRtnl opens a socket in the network namespace of the calling thread.
func OpenRtnl() (*Rtnl, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket(AF_NETLINK)", err)
	}
	return &Rtnl{fd}, nil
}

// Close closes the socket.
func (r *Rtnl) Close() error { return unix.Close(r.fd) }

// AddRule adds a rule for the address family.
func (r *Rtnl) AddRule(family uint8, rule Rule) error {
	m := newMessage(unix.RTM_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	action, bits := uint8(unix.FR_ACT_PROHIBIT), 0
	if rule.Table != 0 {
		action = unix.FR_ACT_TO_TBL
	}
	if rule.To.IsValid() {
		bits = rule.To.Bits()
	}
	m.bytes(family, uint8(bits), 0, 0, 0, 0, 0, action, 0, 0, 0, 0) // struct fib_rule_hdr
	m.u32(unix.FRA_PRIORITY, rule.Priority)
	if rule.Table != 0 {
		m.u32(unix.FRA_TABLE, rule.Table)
	}
	if rule.To.IsValid() {
		m.attr(unix.FRA_DST, rule.To.Addr().AsSlice())
	}
	if rule.Mark != 0 {
		m.u32(unix.FRA_FWMARK, rule.Mark)
		m.u32(unix.FRA_FWMASK, ^uint32(0))
	}
	if rule.Protocol != 0 {
		m.attr(unix.FRA_IP_PROTO, []byte{rule.Protocol})
	}
	m.ports(unix.FRA_SPORT_RANGE, rule.Sport)
	m.ports(unix.FRA_DPORT_RANGE, rule.Dport)
	return r.do("add rule", m)
}

// AddRoute adds a route, replacing one to the same destination.
func (r *Rtnl) AddRoute(route Route) error {
	return r.route("add route", unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_REPLACE, route)
}

// DelRoute removes a route.
func (r *Rtnl) DelRoute(route Route) error {
	return r.route("delete route", unix.RTM_DELROUTE, 0, route)
}

func (r *Rtnl) route(op string, kind, flags uint16, route Route) error {
	kindOf, scope := uint8(unix.RTN_UNICAST), uint8(unix.RT_SCOPE_UNIVERSE)
	if route.Local {
		kindOf, scope = unix.RTN_LOCAL, unix.RT_SCOPE_HOST
	}
	table := route.Table
	if table == 0 {
		table = unix.RT_TABLE_MAIN
	}
	m := newMessage(kind, flags)
	m.bytes(familyOf(route.Dst.Addr()), uint8(route.Dst.Bits()), 0, 0, // struct rtmsg
		unix.RT_TABLE_UNSPEC, unix.RTPROT_STATIC, scope, kindOf, 0, 0, 0, 0)
	m.u32(unix.RTA_TABLE, table)
	if route.Dst.Bits() > 0 {
		m.attr(unix.RTA_DST, route.Dst.Addr().AsSlice())
	}
	if route.Gateway.IsValid() {
		m.attr(unix.RTA_GATEWAY, route.Gateway.AsSlice())
	}
	if route.Source.IsValid() {
		m.attr(unix.RTA_PREFSRC, route.Source.AsSlice())
	}
	index, err := r.linkIndex(route.Link)
	if err != nil {
		return err
	}
	m.u32(unix.RTA_OIF, index)
	return r.do(op, m)
}

// AddAddress gives the link an address, usable at once: it skips the search
// for duplicates, which on a wire with two ends of ours would only cost time.
func (r *Rtnl) AddAddress(link string, p netip.Prefix) error {
	index, err := r.linkIndex(link)
	if err != nil {
		return err
	}
	m := newMessage(unix.RTM_NEWADDR, unix.NLM_F_CREATE|unix.NLM_F_REPLACE)
	m.bytes(familyOf(p.Addr()), uint8(p.Bits()), unix.IFA_F_NODAD, unix.RT_SCOPE_UNIVERSE) // struct ifaddrmsg
	m.b = binary.NativeEndian.AppendUint32(m.b, index)
	m.attr(unix.IFA_LOCAL, p.Addr().AsSlice())
	m.attr(unix.IFA_ADDRESS, p.Addr().AsSlice())
	return r.do("add address", m)
}

// linkIndex finds a link. The ioctl is answered for the namespace that the
// socket belongs to, wherever the thread is.
func (r *Rtnl) linkIndex(name string) (uint32, error) {
	if name == "lo" {
		return 1, nil // in every namespace
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		err = unix.IoctlIfreq(r.fd, unix.SIOCGIFINDEX, req)
	}
	if err != nil {
		return 0, &net.OpError{Op: "find link", Net: name, Err: err}
	}
	return req.Uint32(), nil
}

// do sends the message and waits for its acknowledgement.
func (r *Rtnl) do(op string, m *message) error {
	if err := unix.Sendto(r.fd, m.finish(), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return os.NewSyscallError(op, err)
	}
	buf := make([]byte, 4096)
	n, _, err := unix.Recvfrom(r.fd, buf, 0)
	if err != nil {
		return os.NewSyscallError(op, err)
	}
	if n < unix.NLMSG_HDRLEN+4 || binary.NativeEndian.Uint16(buf[4:]) != unix.NLMSG_ERROR {
		return fmt.Errorf("%s: unexpected answer of %d bytes", op, n)
	}
	if errno := -int32(binary.NativeEndian.Uint32(buf[unix.NLMSG_HDRLEN:])); errno != 0 {
		return os.NewSyscallError(op, unix.Errno(errno))
	}
	return nil
}

// message is a netlink request under construction.
type message struct{ b []byte }

func newMessage(kind, flags uint16) *message {
	m := &message{b: make([]byte, 4, 128)} // length, filled in by finish
	m.b = binary.NativeEndian.AppendUint16(m.b, kind)
	m.b = binary.NativeEndian.AppendUint16(m.b, flags|unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	m.b = append(m.b, make([]byte, 8)...) // sequence number, port
	return m
}

func (m *message) bytes(b ...byte) { m.b = append(m.b, b...) }

func (m *message) attr(kind uint16, value []byte) {
	m.b = binary.NativeEndian.AppendUint16(m.b, uint16(4+len(value)))
	m.b = binary.NativeEndian.AppendUint16(m.b, kind)
	m.b = append(m.b, value...)
	for len(m.b)%4 != 0 {
		m.b = append(m.b, 0)
	}
}

func (m *message) u32(kind uint16, v uint32) {
	m.attr(kind, binary.NativeEndian.AppendUint32(nil, v))
}

// ports restricts a rule to one port: struct fib_rule_port_range, host order.
func (m *message) ports(kind, port uint16) {
	if port != 0 {
		m.u32(kind, uint32(port)|uint32(port)<<16)
	}
}

func (m *message) finish() []byte {
	binary.NativeEndian.PutUint32(m.b, uint32(len(m.b)))
	return m.b
}

func familyOf(a netip.Addr) uint8 {
	if a.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}
