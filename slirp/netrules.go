package slirp

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// Priorities of the routing rules that we add: after "local", before "main".
const (
	ruleReply   = 100 // replies to published ports' clients
	ruleDNS     = 200
	ruleDNSElse = 201
)

// prepare makes the namespace ready for the helper. It runs on a thread inside.
func (m Mode) prepare() error {
	// Decided before the device exists, so that it never has an IPv6 address
	// that nobody asked for (V59).
	off := "1"
	if m.IPv6 {
		off = "0"
	}
	if err := writeSysctl("net/ipv6/conf/default/disable_ipv6", off); err != nil && m.IPv6 {
		return err // without IPv6 in the kernel there is nothing to turn off
	}
	nl, err := sys.OpenRtnl()
	if err != nil {
		return err
	}
	defer nl.Close()
	for _, dns := range m.Info().DNS {
		if err := fenceDNS(nl, dns); err != nil {
			return err
		}
	}
	return nil
}

// fenceDNS leaves of the forwarder's address only port 53. slirp4netns sends
// whatever comes for that address to the first server of the host's
// resolv.conf, on any port; where that is a resolver on 127.0.0.1, each
// service on the host's loopback would be one connection away (I16).
func fenceDNS(nl *sys.Rtnl, dns netip.Addr) error {
	to := netip.PrefixFrom(dns, dns.BitLen())
	for _, r := range []sys.Rule{
		{Priority: ruleDNS, To: to, Protocol: unix.IPPROTO_UDP, Dport: 53, Table: unix.RT_TABLE_MAIN},
		{Priority: ruleDNS, To: to, Protocol: unix.IPPROTO_TCP, Dport: 53, Table: unix.RT_TABLE_MAIN},
		{Priority: ruleDNSElse, To: to},
	} {
		if err := nl.AddRule(unix.AF_INET, r); err != nil {
			return fmt.Errorf("fence %s: %w", dns, err)
		}
	}
	return nil
}

// finish gives the device the addresses that the helper does not. It runs on a
// thread inside, after the helper has made the device.
func (m Mode) finish() error {
	if !m.IPv6 {
		return nil
	}
	nl, err := sys.OpenRtnl()
	if err != nil {
		return err
	}
	defer nl.Close()
	info := m.Info()
	if err := nl.AddAddress(info.Interface, info.Address6); err != nil {
		return err
	}
	return nl.AddRoute(sys.Route{
		Dst:     netip.PrefixFrom(netip.IPv6Unspecified(), 0),
		Gateway: info.Gateway6, Link: info.Interface,
	})
}

// owned says if the namespace belongs to this process's user namespace, and
// not to a container's, which could undo what prepare did.
func (n *Netns) owned() (bool, error) {
	theirs, err := sys.NamespaceUserns(n.File)
	if err != nil {
		return false, err
	}
	defer theirs.Close()
	ours, err := openUserns()
	if err != nil {
		return false, err
	}
	defer ours.Close()
	a, err := sys.NamespaceIDOf(theirs)
	if err != nil {
		return false, err
	}
	b, err := sys.NamespaceIDOf(ours)
	return a == b, err
}
