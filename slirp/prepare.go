package slirp

import (
	"net/netip"

	"github.com/burrow-run/burrow/internal/sys"
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
	// The helper would make the device itself, but one that ends with the
	// helper: that takes the kernel 20 ms, under a lock that every other
	// namespace waits for. This one goes with the namespace, in the kernel's
	// own time and together with others.
	return sys.PersistentTap(m.Info().Interface)
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
