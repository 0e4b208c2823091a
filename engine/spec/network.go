package spec

import (
	"fmt"
	"net/netip"
	"strings"
)

// NetworkMode says how a container reaches the network.
type NetworkMode string

// The network modes.
const (
	NetworkDefault   NetworkMode = ""            // as configured, else slirp4netns
	NetworkSlirp     NetworkMode = "slirp4netns" // Options apply
	NetworkPasta     NetworkMode = "pasta"       // Options apply
	NetworkNone      NetworkMode = "none"        // loopback only
	NetworkHost      NetworkMode = "host"        // the caller's network
	NetworkContainer NetworkMode = "container"   // of the container Ref
	NetworkPath      NetworkMode = "ns"          // the file Ref
)

// Network is the container's connection and the files that name hosts.
type Network struct {
	Mode       NetworkMode
	Ref        string
	Options    []string // of the driver, as typed after the mode
	Publish    []string // as typed; package slirp reads them
	PublishAll bool
	Expose     []string // as typed
	DNS        []netip.Addr
	NoResolv   bool // --dns=none: keep the image's resolv.conf
	DNSSearch  []string
	DNSOptions []string
	AddHosts   []HostEntry
	NoHosts    bool
}

// HostGateway is the address word that stands for the caller's machine.
const HostGateway = "host-gateway"

// HostEntry is one line of /etc/hosts.
type HostEntry struct {
	Names []string
	Addr  string // an IP address or [HostGateway]
}

// ParseNetwork reads the value of --network into the fields Mode, Ref and
// Options of a Network.
func ParseNetwork(value string) (Network, error) {
	kind, rest, hasRest := strings.Cut(value, ":")
	mode := NetworkMode(kind)
	switch mode {
	case NetworkContainer:
		return Network{Mode: mode, Ref: rest}, checkContainerRef(value, rest)
	case NetworkPath:
		return Network{Mode: mode, Ref: rest}, checkNamespacePath(value, rest)
	case NetworkSlirp, NetworkPasta:
		return parseDriver(mode, value, rest, hasRest)
	case NetworkNone, NetworkHost:
		if !hasRest {
			return Network{Mode: mode}, nil
		}
	case NetworkDefault, "private", "default":
		if !hasRest {
			return Network{}, nil
		}
	default:
		if CheckName(kind) == nil {
			return Network{}, badErr(value, fmt.Errorf("named networks are %w", ErrUnsupported))
		}
	}
	return Network{}, bad(value, "unknown network mode")
}

func parseDriver(mode NetworkMode, value, rest string, hasRest bool) (Network, error) {
	n := Network{Mode: mode}
	if !hasRest {
		return n, nil
	}
	if err := checkText(rest); err != nil {
		return Network{}, badErr(value, err)
	}
	for o := range strings.SplitSeq(rest, ",") {
		if o == "" {
			return Network{}, bad(value, "empty option")
		}
		n.Options = append(n.Options, o)
	}
	return n, nil
}

// ParseAddHost reads NAME[;NAME…]:ADDRESS, also with '=' for ':' as Docker
// allows. An IPv6 address may stand in brackets.
func ParseAddHost(value string) (HostEntry, error) {
	i := strings.IndexAny(value, ":=")
	if i < 0 {
		return HostEntry{}, bad(value, "needs NAME:ADDRESS")
	}
	names, addr := value[:i], value[i+1:]
	if inner, ok := strings.CutPrefix(addr, "["); ok {
		if inner, ok = strings.CutSuffix(inner, "]"); ok {
			addr = inner
		}
	}
	if addr != HostGateway {
		ip, err := netip.ParseAddr(addr)
		if err != nil || ip.Zone() != "" {
			return HostEntry{}, bad(value, "address is neither an IP address nor "+HostGateway)
		}
		addr = ip.String()
	}
	e := HostEntry{Addr: addr}
	for name := range strings.SplitSeq(names, ";") {
		if err := CheckHostname(name); err != nil {
			return HostEntry{}, badErr(value, err)
		}
		e.Names = append(e.Names, name)
	}
	return e, nil
}

// ParseDNS reads one --dns value, an IP address. A zone is allowed: a
// link-local server is of no use without one.
func ParseDNS(value string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(value)
	if err != nil || checkWord(ip.Zone()) != nil {
		return netip.Addr{}, bad(value, "is not an IP address")
	}
	return ip, nil
}

// ParseResolvWord checks one --dns-search or --dns-option value, which becomes
// a word in a line of resolv.conf.
func ParseResolvWord(value string) (string, error) {
	if value == "" {
		return "", bad(value, "is empty")
	}
	if err := checkWord(value); err != nil {
		return "", badErr(value, err)
	}
	return value, nil
}
