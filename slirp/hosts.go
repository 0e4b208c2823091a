package slirp

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// Hosts is what a container's /etc/hosts is made from.
type Hosts struct {
	// Names of the container: its hostname first, then others.
	Names []string
	// Add are values of --add-host: NAME[;NAME…]:IP, where the IP may also be
	// host-gateway, stand in brackets, or follow an equals sign.
	Add []string
	// HostGateway is the address that host-gateway, host.containers.internal
	// and host.docker.internal mean; see HostGateway. The zero Addr leaves the
	// names out.
	HostGateway netip.Addr
	// Base is a file to build on (--hosts-file). It is copied as it is.
	Base []byte
}

// HostsFile makes the container's /etc/hosts. What the command line adds comes
// first, because the first line that fits wins. The host's own file is not
// copied: it is nobody's business inside.
func HostsFile(m Mode, h Hosts) ([]byte, error) {
	var b strings.Builder
	for _, v := range h.Add {
		names, addr, err := parseAddHost(v, h.HostGateway)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s\t%s\n", addr, strings.Join(names, " "))
	}
	if len(h.Base) > 0 {
		b.Write(h.Base)
		if h.Base[len(h.Base)-1] != '\n' {
			b.WriteByte('\n')
		}
	} else {
		b.WriteString("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n")
	}
	if h.HostGateway.IsValid() && (m.HasHelper() || m.Kind == Host) {
		fmt.Fprintf(&b, "%s\thost.containers.internal host.docker.internal\n", h.HostGateway)
	}
	var own []string
	for _, n := range h.Names {
		if !validName(n) {
			return nil, fmt.Errorf("host name %q: %w", n, ErrSyntax)
		}
		if !slices.Contains(own, n) && n != "localhost" {
			own = append(own, n)
		}
	}
	if len(own) > 0 {
		fmt.Fprintf(&b, "%s\t%s\n", m.ownAddress(), strings.Join(own, " "))
	}
	return []byte(b.String()), nil
}

// ownAddress is what the container's name resolves to inside.
func (m Mode) ownAddress() netip.Addr {
	switch m.Kind {
	case Slirp4netns, Pasta:
		return m.Info().Address.Addr()
	case Host, Container, Path:
		return netip.AddrFrom4([4]byte{127, 0, 1, 1})
	case None:
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

func parseAddHost(v string, gateway netip.Addr) (names []string, addr netip.Addr, err error) {
	i := strings.IndexAny(v, ":=")
	if i < 0 {
		return nil, addr, fmt.Errorf("add-host %q: %w: want NAME:IP", v, ErrSyntax)
	}
	names = strings.Split(v[:i], ";")
	for _, n := range names {
		if !validName(n) {
			return nil, addr, fmt.Errorf("add-host %q: %w: %q is not a host name", v, ErrSyntax, n)
		}
	}
	ip := v[i+1:]
	if ip == "host-gateway" {
		if !gateway.IsValid() {
			return nil, addr, hint.New(fmt.Errorf("add-host %q: %w: this network has no way to the host", v, ErrSyntax),
				"use --network=slirp4netns or pasta, or name an address instead of host-gateway")
		}
		return names, gateway, nil
	}
	if in, ok := strings.CutPrefix(ip, "["); ok {
		ip, ok = strings.CutSuffix(in, "]")
		if !ok {
			ip = ""
		}
	}
	addr, err = netip.ParseAddr(ip)
	if err != nil || addr.Zone() != "" {
		return nil, addr, fmt.Errorf("add-host %q: %w: %q is not an IP address", v, ErrSyntax, v[i+1:])
	}
	return names, addr, nil
}

// HostGateway is the address at which a container in this mode reaches
// services of the host: the gateway if the host's loopback is open to it, or
// else the first address of the host's that is not loopback. The zero Addr
// means that there is none.
func HostGateway(m Mode) netip.Addr {
	switch {
	case m.HasHelper() && m.HostLoopback:
		return m.Info().Gateway
	case m.Kind == Host:
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case !m.HasHelper():
		return netip.Addr{}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}
	}
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && p.Addr().Is4() && !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}
