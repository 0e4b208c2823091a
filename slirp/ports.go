package slirp

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// Protocol of a published port.
type Protocol string

// The protocols that can be published.
const (
	TCP Protocol = "tcp"
	UDP Protocol = "udp"
)

// Port is one published port.
type Port struct {
	Protocol Protocol `json:"protocol"`
	// HostIP to listen on; the zero Addr means every address of both families.
	HostIP netip.Addr `json:"host_ip,omitzero"`
	// HostPort to listen on; 0 means any free one.
	HostPort uint16 `json:"host_port"`
	// HostLast, if not 0, means any free port from HostPort to HostLast.
	HostLast uint16 `json:"host_last,omitempty"`
	// ContainerPort is where connections go.
	ContainerPort uint16 `json:"container_port"`
}

// String is the spelling that ParsePorts reads back.
func (p Port) String() string {
	host := ""
	if p.HostPort != 0 {
		host = strconv.Itoa(int(p.HostPort))
	}
	if p.HostLast != 0 {
		host += "-" + strconv.Itoa(int(p.HostLast))
	}
	target := strconv.Itoa(int(p.ContainerPort)) + "/" + string(p.Protocol)
	if p.HostIP.IsValid() {
		return net.JoinHostPort(p.HostIP.String(), host) + ":" + target
	}
	if host == "" {
		return target
	}
	return host + ":" + target
}

// Listen is the host's side alone: 127.0.0.1:8080/tcp.
func (p Port) Listen() string {
	ip := "0.0.0.0"
	if p.HostIP.IsValid() {
		ip = p.HostIP.String()
	}
	return net.JoinHostPort(ip, strconv.Itoa(int(p.HostPort))) + "/" + string(p.Protocol)
}

// ParsePorts reads values of --publish,
//
//	[[IP]:][HOST[-HOST]:]PORT[-PORT][/PROTOCOL]
//
// expands ranges and refuses what would collide. IPv6 addresses stand in
// brackets. Without a host port, or with port 0 beside an address, the port is
// chosen when the container starts.
func ParsePorts(values []string) ([]Port, error) {
	var all []Port
	for _, v := range values {
		if v == "" {
			return nil, hint.New(fmt.Errorf("publish \"\": %w: no port", ErrSyntax), "-p 8080:80")
		}
		ports, err := parsePublish(v)
		if err != nil {
			return nil, hint.New(fmt.Errorf("publish %q: %w", v, err), hint.Of(err))
		}
		all = append(all, ports...)
	}
	return all, checkOverlap(all)
}

// PublishAll is -P: every exposed port ("80", "80/udp", "8000-8010/tcp") that
// is not among published yet, on a random host port.
func PublishAll(exposed []string, published []Port) ([]Port, error) {
	all := slices.Clone(published)
	taken := func(p Port) bool {
		return slices.ContainsFunc(all, func(q Port) bool {
			return q.Protocol == p.Protocol && q.ContainerPort == p.ContainerPort
		})
	}
	for _, e := range exposed {
		if strings.Contains(e, ":") {
			return nil, fmt.Errorf("expose %q: %w: only a port and protocol", e, ErrSyntax)
		}
		ports, err := parsePublish(e)
		if err != nil {
			return nil, fmt.Errorf("expose %q: %w", e, err)
		}
		for _, p := range ports {
			if !taken(p) {
				all = append(all, p)
			}
		}
	}
	return all, nil
}

func parsePublish(s string) ([]Port, error) {
	rest, proto, found := strings.Cut(s, "/")
	protocols := []Protocol{TCP}
	if found {
		var err error
		if protocols, err = parseProtocols(proto); err != nil {
			return nil, err
		}
	}
	ip, host, target, err := splitPublish(rest)
	if err != nil {
		return nil, err
	}
	guest, err := parseRange(target, 1)
	if err != nil {
		return nil, fmt.Errorf("container port: %w", err)
	}
	ports, err := pair(host, guest)
	if err != nil {
		return nil, err
	}
	var out []Port
	for _, proto := range protocols {
		for _, p := range ports {
			p.Protocol, p.HostIP = proto, ip
			out = append(out, p)
		}
	}
	return out, nil
}

// splitPublish takes the last field as the container's, the one before it as
// the host's, and what is left as an address.
func splitPublish(s string) (ip netip.Addr, host, target string, err error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return ip, "", s, nil
	}
	target, s = s[i+1:], s[:i]
	i = strings.LastIndexByte(s, ':')
	if i < 0 && !strings.ContainsAny(s, "[].") {
		if s == "" {
			return ip, "", "", fmt.Errorf("%w: the host port is missing", ErrSyntax)
		}
		return ip, s, target, nil
	}
	if i < 0 || strings.HasSuffix(s, "]") {
		return ip, "", "", fmt.Errorf("%w: want IP:HOSTPORT:PORT or IP::PORT", ErrSyntax)
	}
	host, s = s[i+1:], s[:i]
	inside, bracket := strings.CutPrefix(s, "[")
	if bracket {
		inside, bracket = strings.CutSuffix(inside, "]")
	}
	ip, err = netip.ParseAddr(inside)
	switch {
	case s == "":
		return netip.Addr{}, host, target, nil // Docker's ":80:80"
	case err != nil:
		return ip, "", "", fmt.Errorf("%w: %q is not an IP address", ErrSyntax, s)
	case ip.Is6() != bracket:
		return ip, "", "", fmt.Errorf("%w: an IPv6 address, and nothing else, stands in brackets", ErrSyntax)
	case ip.IsMulticast():
		return ip, "", "", fmt.Errorf("%w: %s is a multicast address", ErrSyntax, ip)
	}
	return ip.Unmap(), host, target, nil
}

func parseProtocols(s string) ([]Protocol, error) {
	var out []Protocol
	for p := range strings.SplitSeq(strings.ToLower(s), ",") {
		switch Protocol(p) {
		case TCP, UDP:
			if slices.Contains(out, Protocol(p)) {
				return nil, fmt.Errorf("%w: protocol %s twice", ErrSyntax, p)
			}
			out = append(out, Protocol(p))
		default:
			err := fmt.Errorf("%w: protocol %q cannot be published", ErrSyntax, p)
			if p == "sctp" {
				return nil, hint.New(err, "neither slirp4netns nor pasta carry SCTP: use --network=host")
			}
			return nil, hint.New(err, "tcp and udp can")
		}
	}
	return out, nil
}

// portRange is what FIRST-LAST means.
type portRange struct{ first, last uint16 }

func (r portRange) size() int { return int(r.last) - int(r.first) + 1 }

func parseRange(s string, lowest int) (portRange, error) {
	a, b, ranged := strings.Cut(s, "-")
	if !ranged {
		b = a
	}
	first, err := parsePort(a, lowest)
	if err != nil {
		return portRange{}, err
	}
	last, err := parsePort(b, lowest)
	if err != nil {
		return portRange{}, err
	}
	if last < first {
		return portRange{}, fmt.Errorf("%w: range %s runs backwards", ErrSyntax, s)
	}
	return portRange{first, last}, nil
}

func parsePort(s string, lowest int) (uint16, error) {
	n, err := strconv.Atoi(s)
	if err != nil || s[0] == '+' || n < lowest || n > 65535 {
		return 0, fmt.Errorf("%w: %q is not a port from %d to 65535", ErrSyntax, s, lowest)
	}
	return uint16(n), nil
}

// pair matches host ports with container ports, one to one; a single
// container port may have a range to choose from.
func pair(host string, guest portRange) ([]Port, error) {
	h := portRange{}
	var err error
	if host != "" && host != "0" {
		if h, err = parseRange(host, 1); err != nil {
			return nil, fmt.Errorf("host port: %w", err)
		}
	}
	switch {
	case h.first != 0 && guest.size() == 1 && h.size() > 1:
		return []Port{{HostPort: h.first, HostLast: h.last, ContainerPort: guest.first}}, nil
	case h.first != 0 && h.size() != guest.size():
		return nil, fmt.Errorf("%w: %d host ports for %d container ports", ErrSyntax, h.size(), guest.size())
	}
	ports := make([]Port, guest.size())
	for i := range ports {
		ports[i].ContainerPort = guest.first + uint16(i)
		if h.first != 0 {
			ports[i].HostPort = h.first + uint16(i)
		}
	}
	return ports, nil
}

// checkOverlap refuses two ports that could not both be listened on. It sorts
// by port, so that 65,535 of them are compared in no time.
func checkOverlap(all []Port) error {
	type key struct {
		protocol Protocol
		port     uint16
	}
	seen := make(map[key][]Port, len(all))
	for _, p := range all {
		if p.HostPort == 0 || p.HostLast != 0 {
			continue
		}
		k := key{p.Protocol, p.HostPort}
		for _, q := range seen[k] {
			if sameAddress(p.HostIP, q.HostIP) {
				return fmt.Errorf("publish %s and %s: %w: both want host port %d", q, p, ErrSyntax, p.HostPort)
			}
		}
		seen[k] = append(seen[k], p)
	}
	return nil
}

// sameAddress says if listening on a gets in the way of listening on b.
func sameAddress(a, b netip.Addr) bool {
	if !a.IsValid() || !b.IsValid() || a == b {
		return true
	}
	return a.Is4() == b.Is4() && (a.IsUnspecified() || b.IsUnspecified())
}
