package slirp

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// pastaFlag takes one of pasta's own options from the front of args, with its
// value if that is a separate word, as Podman's --network=pasta:--mtu,1500
// does. It is a list of what is allowed: most of the others would undo the
// confinement or the supervision of the helper.
func (m *Mode) pastaFlag(args []string) (used int, err error) {
	name, v, glued := strings.Cut(args[0], "=")
	value := func() string {
		if !glued && len(args) > 1 {
			used, v = 2, args[1]
		}
		return v
	}
	used = 1
	switch name {
	case "-4", "--ipv4-only":
		m.IPv6 = false
	case "--map-gw":
		m.HostLoopback = true
	case "--no-map-gw":
		m.HostLoopback = false
	case "-m", "--mtu":
		err = setMTU(m, value())
	case "-I", "--ns-ifname":
		err = setInterface(&m.Interface, value())
	case "-o", "--outbound":
		err = m.pastaOutbound(value())
	case "--outbound-if4", "-i", "--interface":
		err = setInterface(&m.Outbound4, value())
	case "--outbound-if6":
		err = setInterface(&m.Outbound6, value())
	case "--no-tcp", "--no-udp", "--no-icmp":
		m.Extra = append(m.Extra, name)
	case "-t", "--tcp-ports", "-u", "--udp-ports":
		if value() != "none" {
			err = hint.New(errors.New(name+" is for published ports"), "use -p HOSTPORT:PORT")
		}
	case "-T", "--tcp-ns", "-U", "--udp-ns":
		if value() != "none" {
			err = hint.New(errors.New(name+" would splice the host's loopback into the container"),
				"use --network=pasta:allow_host_loopback=true and the gateway address")
		}
	default:
		err = fmt.Errorf("option %s of pasta is not passed on", name)
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return used, nil
}

func (m *Mode) pastaOutbound(v string) error {
	a, err := netip.ParseAddr(v)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not an address", v)
	case a.Is4():
		m.Outbound4 = a.String()
	default:
		m.Outbound6 = a.String()
	}
	return nil
}
