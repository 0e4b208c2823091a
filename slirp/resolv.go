package slirp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// Resolv is the content of a resolv.conf.
type Resolv struct {
	Servers []netip.Addr
	Search  []string
	Options []string
}

// DNS is what the command line says about name resolution.
type DNS struct {
	Servers []string // --dns
	Search  []string // --dns-search; "." alone means none
	Options []string // --dns-option
}

// Untouched says if the container shall keep its image's resolv.conf (--dns=none).
func (d DNS) Untouched() bool { return len(d.Servers) == 1 && d.Servers[0] == "none" }

// ResolvConf makes the container's resolv.conf. With a helper its forwarder
// comes first, then those servers of the host that can be reached from inside;
// servers on the command line replace both. Without a network the file is
// empty. Nothing gets into the file but addresses, domain names and options
// that have been parsed.
//
// A container that joins another one's network shares that one's file; for
// Container this function only checks that nothing else was asked for.
func ResolvConf(host Resolv, m Mode, d DNS) ([]byte, error) {
	asked, err := d.parse()
	if err != nil {
		return nil, err
	}
	switch m.Kind {
	case None, Container, "":
		if len(d.Servers)+len(d.Search)+len(d.Options) > 0 {
			return nil, fmt.Errorf("dns options: %w: they do not go with network %s", ErrSyntax, m)
		}
		return []byte{}, nil
	case Host, Path, Slirp4netns, Pasta:
	}
	r := Resolv{Servers: usable(host.Servers, m), Search: host.Search, Options: host.Options}
	if m.HasHelper() {
		r.Servers = append(m.Info().DNS, r.Servers...)
	}
	if len(asked.Servers) > 0 {
		r.Servers = asked.Servers
	}
	if len(d.Search) > 0 {
		r.Search = asked.Search
	}
	if len(d.Options) > 0 {
		r.Options = asked.Options
	}
	return r.bytes(), nil
}

// usable drops the servers that a container in this network cannot reach.
func usable(servers []netip.Addr, m Mode) []netip.Addr {
	if m.Kind == Host {
		return servers
	}
	return slices.DeleteFunc(slices.Clone(servers), func(a netip.Addr) bool {
		return a.IsLoopback() || a.IsUnspecified() || a.Zone() != "" || a.IsLinkLocalUnicast() ||
			m.HasHelper() && a.Is6() && !m.IPv6
	})
}

func (r Resolv) bytes() []byte {
	var b strings.Builder
	if len(r.Search) > 0 {
		fmt.Fprintf(&b, "search %s\n", strings.Join(r.Search, " "))
	}
	for _, s := range r.Servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	if len(r.Options) > 0 {
		fmt.Fprintf(&b, "options %s\n", strings.Join(r.Options, " "))
	}
	return []byte(b.String())
}

func (d DNS) parse() (Resolv, error) {
	var r Resolv
	if d.Untouched() {
		return r, nil
	}
	for _, s := range d.Servers {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" && !validName(a.Zone()) {
			return r, fmt.Errorf("dns %q: %w: not an IP address", s, ErrSyntax)
		}
		r.Servers = append(r.Servers, a.Unmap())
	}
	for _, s := range d.Search {
		switch {
		case s == "." && len(d.Search) == 1:
		case validName(s):
			r.Search = append(r.Search, s)
		default:
			return r, fmt.Errorf("dns-search %q: %w: not a domain name", s, ErrSyntax)
		}
	}
	for _, s := range d.Options {
		if !validOption(s) {
			return r, fmt.Errorf("dns-option %q: %w: not an option of resolv.conf(5)", s, ErrSyntax)
		}
		r.Options = append(r.Options, s)
	}
	return r, nil
}

// ParseResolv reads a resolv.conf and, like the C library, passes over what it
// does not understand.
func ParseResolv(r io.Reader) Resolv {
	var out Resolv
	for s := bufio.NewScanner(r); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) < 2 {
			continue
		}
		switch f[0] {
		case "nameserver":
			if a, err := netip.ParseAddr(f[1]); err == nil && (a.Zone() == "" || validName(a.Zone())) {
				out.Servers = append(out.Servers, a.Unmap())
			}
		case "domain", "search": // the last one counts
			out.Search = slices.DeleteFunc(f[1:], func(s string) bool { return !validName(s) })
		case "options":
			for _, o := range f[1:] {
				if validOption(o) {
					out.Options = append(out.Options, o)
				}
			}
		}
	}
	return out
}

const (
	resolvFile = "/etc/resolv.conf"
	// systemd-resolved's list of the real servers, for those who cannot use
	// the stub on 127.0.0.53.
	upstreamFile = "/run/systemd/resolve/resolv.conf"
)

// HostResolv reads the host's resolv.conf. For anything but the host's own
// network the servers behind a local stub are wanted, so with direct false a
// file that only names loopback addresses is replaced by systemd-resolved's.
// A host without resolv.conf has no servers, which is no error.
func HostResolv(direct bool) (Resolv, error) {
	r, err := readResolv(resolvFile)
	if err != nil || direct || !r.onlyLoopback() {
		return r, err
	}
	if up, err := readResolv(upstreamFile); err == nil && len(up.Servers) > 0 {
		return up, nil
	}
	return r, nil
}

func readResolv(path string) (Resolv, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Resolv{}, nil
	}
	if err != nil {
		return Resolv{}, err
	}
	defer f.Close()
	return ParseResolv(io.LimitReader(f, 1<<16)), nil
}

func (r Resolv) onlyLoopback() bool {
	return len(r.Servers) > 0 && !slices.ContainsFunc(r.Servers, func(a netip.Addr) bool { return !a.IsLoopback() })
}

// validName says if s can stand in hosts or resolv.conf as a name: letters,
// digits, dot, dash, underscore, and some length.
func validName(s string) bool {
	if s == "" || len(s) > 253 || s[0] == '-' || s[0] == '.' {
		return false
	}
	return !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_'
	})
}

// validOption says if s looks like ndots:2 or use-vc.
func validOption(s string) bool {
	name, value, _ := strings.Cut(s, ":")
	return validName(name) && !strings.ContainsFunc(value, func(c rune) bool { return c < '0' || c > '9' })
}
