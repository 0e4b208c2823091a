package slirp

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// option is one key of slirp4netns:KEY=VALUE,… The same keys work for pasta.
type option struct {
	name string
	set  func(m *Mode, v string) error
}

func commonOptions() []option {
	return []option{
		{"allow_host_loopback", func(m *Mode, v string) error { return setBool(&m.HostLoopback, v) }},
		{"enable_ipv6", func(m *Mode, v string) error { return setBool(&m.IPv6, v) }},
		{"mtu", setMTU},
		{"cidr", setSubnet},
		{"outbound_addr", func(m *Mode, v string) error { return setOutbound(&m.Outbound4, v, false) }},
		{"outbound_addr6", func(m *Mode, v string) error { return setOutbound(&m.Outbound6, v, true) }},
		{"interface_name", func(m *Mode, v string) error { return setInterface(&m.Interface, v) }},
		{"port_handler", checkPortHandler},
	}
}

func parseOptions(value, options string, m Mode) (Mode, error) {
	if options == "" {
		return m, nil
	}
	rest := strings.Split(options, ",")
	for len(rest) > 0 {
		n := 1
		var err error
		if m.Kind == Pasta && strings.HasPrefix(rest[0], "-") {
			n, err = m.pastaFlag(rest)
		} else {
			err = m.setOption(rest[0])
		}
		if err != nil {
			return Mode{}, hint.New(networkError(value, "%v", err), hint.Of(err))
		}
		rest = rest[n:]
	}
	if m.Outbound6 != "" && !m.IPv6 {
		return Mode{}, networkError(value, "outbound_addr6 needs enable_ipv6=true")
	}
	return m, nil
}

func (m *Mode) setOption(s string) error {
	key, v, found := strings.Cut(s, "=")
	names := make([]string, 0, 8)
	for _, o := range commonOptions() {
		if o.name == key && found {
			if err := o.set(m, v); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			return nil
		}
		names = append(names, o.name)
	}
	if near := nearest(key, names); near != "" && near != key {
		return fmt.Errorf("unknown option %q, did you mean %s?", key, near)
	}
	if !found {
		return fmt.Errorf("option %q wants KEY=VALUE", s)
	}
	return fmt.Errorf("unknown option %q (known: %s)", key, strings.Join(names, ", "))
}

// options is the inverse of parseOptions.
func (m Mode) options() []string {
	var o []string
	add := func(present bool, format string, v any) {
		if present {
			o = append(o, fmt.Sprintf(format, v))
		}
	}
	add(m.HostLoopback, "allow_host_loopback=%v", true)
	add(m.IPv6, "enable_ipv6=%v", true)
	add(m.MTU != 0, "mtu=%v", m.MTU)
	add(m.Subnet.IsValid(), "cidr=%v", m.Subnet)
	add(m.Outbound4 != "", "outbound_addr=%v", m.Outbound4)
	add(m.Outbound6 != "", "outbound_addr6=%v", m.Outbound6)
	add(m.Interface != "", "interface_name=%v", m.Interface)
	return append(o, m.Extra...)
}

func setBool(p *bool, v string) error {
	b, err := strconv.ParseBool(v)
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", v)
	}
	*p = b
	return nil
}

// The helpers' limit is that of the largest IPv4 packet in an Ethernet frame.
func setMTU(m *Mode, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil || n < 576 || n > 65521 {
		return fmt.Errorf("%q is not between 576 and 65521", v)
	}
	m.MTU = n
	return nil
}

// A network smaller than /25 has no room for address 100, a larger one than /8
// would hide half the world.
func setSubnet(m *Mode, v string) error {
	p, err := netip.ParsePrefix(v)
	if err != nil || !p.Addr().Is4() {
		return fmt.Errorf("%q is not an IPv4 network such as 10.0.2.0/24", v)
	}
	if p.Bits() < 8 || p.Bits() > 25 {
		return fmt.Errorf("%q: the prefix length must be between 8 and 25", v)
	}
	if p.Addr().IsLoopback() || p.Addr().IsMulticast() || p.Addr().IsUnspecified() {
		return fmt.Errorf("%q cannot be a container's network", v)
	}
	m.Subnet = p.Masked()
	return nil
}

func setOutbound(p *string, v string, six bool) error {
	if a, err := netip.ParseAddr(v); err == nil {
		if a.Is6() != six {
			return fmt.Errorf("%q is of the wrong address family", v)
		}
		*p = a.String()
		return nil
	}
	return setInterface(p, v)
}

// setInterface takes what the kernel's dev_valid_name takes, and no leading
// dash, so that it can stand on a command line.
func setInterface(p *string, v string) error {
	ok := v != "" && len(v) < 16 && v != "." && v != ".." && v[0] != '-' && v != "lo"
	for _, c := range []byte(v) {
		ok = ok && c > ' ' && c < 0x7f && c != '/' && c != ':' && c != ','
	}
	if !ok {
		return fmt.Errorf("%q is not an interface name", v)
	}
	*p = v
	return nil
}

func checkPortHandler(_ *Mode, v string) error {
	switch v {
	case "rootlesskit":
		return nil
	case "slirp4netns":
		return nil // its only merit, the client's source address, is kept anyway
	}
	return fmt.Errorf("%q is neither rootlesskit nor slirp4netns", v)
}
