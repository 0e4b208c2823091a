package slirp

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// Kind is what a container's network hangs on.
type Kind string

// The kinds. Slirp4netns and Pasta are a network namespace of the container's
// own with a helper behind it.
const (
	Slirp4netns Kind = "slirp4netns"
	Pasta       Kind = "pasta"
	None        Kind = "none"
	Host        Kind = "host"
	Container   Kind = "container"
	Path        Kind = "ns"
)

// The addresses of a network that a helper makes, unless told otherwise.
const (
	DefaultMTU = 65520
	hostPart   = 2   // the gateway
	dnsPart    = 3   // the helper's forwarder
	guestPart  = 100 // the container
)

func defaultNet() netip.Prefix  { return netip.MustParsePrefix("10.0.2.0/24") }
func defaultNet6() netip.Prefix { return netip.MustParsePrefix("fd00::/64") }

// Mode is a parsed --network. The zero value is no network.
type Mode struct {
	Kind Kind `json:"kind"`
	// Target is the container's name of Container, the file of Path.
	Target string `json:"target,omitempty"`

	// The rest is for Slirp4netns and Pasta.

	// MTU of the interface; 0 means DefaultMTU.
	MTU int `json:"mtu,omitempty"`
	// Subnet is the IPv4 network between container and helper; zero means 10.0.2.0/24.
	Subnet netip.Prefix `json:"subnet,omitzero"`
	// IPv6 turns it on. Without it the container has no IPv6 address but ::1.
	IPv6 bool `json:"ipv6,omitempty"`
	// HostLoopback lets the container reach the host's 127.0.0.1 through the
	// gateway address: a relaxation.
	HostLoopback bool `json:"host_loopback,omitempty"`
	// Outbound4 and Outbound6 are the source address, or the interface, of
	// outgoing connections.
	Outbound4 string `json:"outbound4,omitempty"`
	Outbound6 string `json:"outbound6,omitempty"`
	// Interface is the device's name in the container; empty means tap0.
	Interface string `json:"interface,omitempty"`
	// Extra are options handed to pasta as they are.
	Extra []string `json:"extra,omitempty"`
}

// ParseNetwork reads the value of --network in Podman's and Docker's spelling.
// Empty, "default" and "private" are slirp4netns.
func ParseNetwork(value string) (Mode, error) {
	return ParseNetworkDefault(value, string(Slirp4netns))
}

// ParseNetworkDefault is ParseNetwork where the configuration says that
// "private" is something else, for instance "pasta:mtu=1500".
func ParseNetworkDefault(value, private string) (Mode, error) {
	name, options, _ := strings.Cut(value, ":")
	switch name {
	case "", "default", "private":
		if options != "" {
			return Mode{}, networkError(value, "%s takes no options", name)
		}
		if slices.Contains([]string{"", "default", "private"}, private) {
			private = string(Slirp4netns)
		}
		return ParseNetworkDefault(private, string(Slirp4netns))
	case string(None), string(Host):
		if options != "" {
			return Mode{}, networkError(value, "%s takes no options", name)
		}
		return Mode{Kind: Kind(name)}, nil
	case string(Container):
		if options == "" || strings.ContainsAny(options, "/:,\x00\n ") {
			return Mode{}, networkError(value, "want container:NAME")
		}
		return Mode{Kind: Container, Target: options}, nil
	case string(Path):
		if !filepath.IsAbs(options) || strings.ContainsAny(options, "\x00\n") {
			return Mode{}, networkError(value, "want ns:/PATH")
		}
		return Mode{Kind: Path, Target: filepath.Clean(options)}, nil
	case string(Slirp4netns):
		return parseOptions(value, options, Mode{Kind: Slirp4netns})
	case string(Pasta):
		return parseOptions(value, options, Mode{Kind: Pasta})
	}
	return Mode{}, unknownNetwork(value, name)
}

// HasHelper says if the mode means a new network namespace and a helper.
func (m Mode) HasHelper() bool { return m.Kind == Slirp4netns || m.Kind == Pasta }

// HasOwnNetns says if the container gets a new network namespace.
func (m Mode) HasOwnNetns() bool { return m.HasHelper() || m.Kind == None || m.Kind == "" }

// Relaxations names what the mode gives away, for the security report.
func (m Mode) Relaxations() []string {
	var r []string
	switch m.Kind {
	case Host:
		r = append(r, "network=host: the host's interfaces, loopback services and abstract sockets are reachable")
	case Path:
		r = append(r, "network=ns: shares the network namespace "+m.Target)
	case Container:
		r = append(r, "network=container: shares the network of "+m.Target)
	case None, Slirp4netns, Pasta:
	}
	if m.HostLoopback {
		r = append(r, "allow_host_loopback: the host's 127.0.0.1 is reachable at "+m.Info().Gateway.String())
	}
	return r
}

// String is the spelling that ParseNetwork reads back.
func (m Mode) String() string {
	switch m.Kind {
	case Container, Path:
		return string(m.Kind) + ":" + m.Target
	case Slirp4netns, Pasta:
		if o := m.options(); len(o) > 0 {
			return string(m.Kind) + ":" + strings.Join(o, ",")
		}
	case None, Host:
	case "":
		return string(None)
	}
	return string(m.Kind)
}

// Info is how the network looks from inside the container.
type Info struct {
	Interface string       `json:"interface"`
	Address   netip.Prefix `json:"address"`
	Gateway   netip.Addr   `json:"gateway"`
	DNS       []netip.Addr `json:"dns"`
	Address6  netip.Prefix `json:"address6,omitzero"`
	Gateway6  netip.Addr   `json:"gateway6,omitzero"`
	MTU       int          `json:"mtu"`
}

// Info computes the addresses of a mode that has a helper; they are known
// before the helper runs. For other modes it is empty.
func (m Mode) Info() Info {
	if !m.HasHelper() {
		return Info{}
	}
	n := m.Subnet
	if !n.IsValid() {
		n = defaultNet()
	}
	n = n.Masked()
	info := Info{
		Interface: m.Interface,
		Address:   netip.PrefixFrom(nth(n, guestPart), n.Bits()),
		Gateway:   nth(n, hostPart),
		DNS:       []netip.Addr{nth(n, dnsPart)},
		MTU:       m.MTU,
	}
	if info.Interface == "" {
		info.Interface = "tap0"
	}
	if info.MTU == 0 {
		info.MTU = DefaultMTU
	}
	if m.IPv6 {
		n6 := defaultNet6()
		info.Address6 = netip.PrefixFrom(nth(n6, guestPart), n6.Bits())
		info.Gateway6 = nth(n6, hostPart)
	}
	return info
}

// nth is the network's address number i, below 256.
func nth(n netip.Prefix, i byte) netip.Addr {
	b := n.Addr().AsSlice()
	b[len(b)-1] += i
	a, _ := netip.AddrFromSlice(b)
	return a
}

func networkError(value, format string, args ...any) error {
	return fmt.Errorf("network %q: %w: %s", value, ErrSyntax, fmt.Sprintf(format, args...))
}

func unknownNetwork(value, name string) error {
	known := []string{
		string(Slirp4netns), string(Pasta), string(None), string(Host),
		"container:NAME", "ns:PATH", "private",
	}
	if near := nearest(name, known); near != "" {
		return hint.New(networkError(value, "unknown mode"), "did you mean --network="+near+"?")
	}
	return hint.New(fmt.Errorf("network %q: %w", value, ErrNoNamedNetworks),
		"use --network=slirp4netns (the default), pasta, none, host, container:NAME or ns:PATH; containers that talk to each other can share one with container:NAME")
}
