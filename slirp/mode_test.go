package slirp

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/hint"
)

func TestParseNetwork(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", "slirp4netns"},
		{"private", "slirp4netns"},
		{"default", "slirp4netns"},
		{"none", "none"},
		{"host", "host"},
		{"container:db", "container:db"},
		{"ns:/run/netns/a", "ns:/run/netns/a"},
		{"ns:/proc/12/ns/net", "ns:/proc/12/ns/net"},
		{"slirp4netns:", "slirp4netns"},
		{"slirp4netns:mtu=1500,cidr=10.1.2.3/24", "slirp4netns:mtu=1500,cidr=10.1.2.0/24"},
		{
			"slirp4netns:allow_host_loopback=true,enable_ipv6=true,outbound_addr=eth0,outbound_addr6=fe80::1,port_handler=slirp4netns",
			"slirp4netns:allow_host_loopback=true,enable_ipv6=true,outbound_addr=eth0,outbound_addr6=fe80::1",
		},
		{"pasta:--mtu,1400,-I,eth0,-T,none,--map-gw,--no-icmp", "pasta:allow_host_loopback=true,mtu=1400,interface_name=eth0,--no-icmp"},
		{"pasta:--mtu=1400,enable_ipv6=true", "pasta:enable_ipv6=true,mtu=1400"},
	} {
		m, err := ParseNetwork(c.in)
		if err != nil || m.String() != c.want {
			t.Errorf("%q: got %q, %v; want %q", c.in, m, err, c.want)
			continue
		}
		back, err := ParseNetwork(m.String())
		if err != nil || !reflect.DeepEqual(back, m) {
			t.Errorf("%q: %+v reads back as %+v, %v", c.in, m, back, err)
		}
	}
	m, err := ParseNetworkDefault("private", "pasta:mtu=1500")
	if err != nil || m.String() != "pasta:mtu=1500" {
		t.Errorf("configured default: %v, %v", m, err)
	}
}

func TestParseNetworkRefuses(t *testing.T) {
	for _, c := range []struct{ in, text, hint string }{
		{"slirp", "unknown mode", "--network=slirp4netns?"},
		{"hsot", "unknown mode", "--network=host?"},
		{"pasat", "unknown mode", "--network=pasta?"},
		{"host:x", "takes no options", ""},
		{"none:x", "takes no options", ""},
		{"container:", "container:NAME", ""},
		{"container:../x", "container:NAME", ""},
		{"ns:relative", "ns:/PATH", ""},
		{"ns:/a\n/b", "ns:/PATH", ""},
		{"slirp4netns:mtu", "KEY=VALUE", ""},
		{"slirp4netns:mtu=9", "between 576", ""},
		{"slirp4netns:mtu=65522", "between 576", ""},
		{"slirp4netns:cidr=10.0.0.0/26", "between 8 and 25", ""},
		{"slirp4netns:cidr=fd00::/64", "IPv4 network", ""},
		{"slirp4netns:cidr=127.0.0.0/24", "cannot be", ""},
		{"slirp4netns:enable_ipv6=perhaps", "neither true nor false", ""},
		{"slirp4netns:enable_ip6=true", "did you mean enable_ipv6", ""},
		{"slirp4netns:outbound_addr=--help", "interface name", ""},
		{"slirp4netns:outbound_addr=::1", "wrong address family", ""},
		{"slirp4netns:outbound_addr6=::1", "needs enable_ipv6", ""},
		{"slirp4netns:--mtu=1500", "unknown option", ""},
		{"slirp4netns:port_handler=x", "neither", ""},
		{"pasta:-T,auto", "loopback", "allow_host_loopback"},
		{"pasta:--tcp-ports=auto", "published ports", "-p "},
		{"pasta:--log-file,/etc/passwd", "not passed on", ""},
		{"pasta:--runas=0", "not passed on", ""},
		{"pasta:-I", "interface name", ""},
	} {
		_, err := ParseNetwork(c.in)
		if !errors.Is(err, ErrSyntax) || !strings.Contains(err.Error(), c.text) || !strings.Contains(hint.Of(err), c.hint) {
			t.Errorf("%q: %v (hint %q); want %q (hint %q)", c.in, err, hint.Of(err), c.text, c.hint)
		}
	}
	for _, in := range []string{"bridge", "mynet", "bridge:ip=10.88.0.10", "a,b"} {
		if _, err := ParseNetwork(in); !errors.Is(err, ErrNoNamedNetworks) || hint.Of(err) == "" {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestInfo(t *testing.T) {
	m, err := ParseNetwork("pasta:cidr=10.9.0.0/16,enable_ipv6=true")
	if err != nil {
		t.Fatal(err)
	}
	i := m.Info()
	got := strings.Join([]string{
		i.Interface, i.Address.String(), i.Gateway.String(), i.DNS[0].String(), i.Address6.String(), i.Gateway6.String(),
	}, " ")
	if want := "tap0 10.9.0.100/16 10.9.0.2 10.9.0.3 fd00::64/64 fd00::2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if r := (Mode{Kind: Slirp4netns}).Relaxations(); len(r) != 0 {
		t.Errorf("default relaxes %v", r)
	}
	if r := (Mode{Kind: Host}).Relaxations(); len(r) != 1 {
		t.Errorf("host relaxes %v", r)
	}
}

func FuzzParseNetwork(f *testing.F) {
	for _, s := range []string{"", "slirp4netns:mtu=1500,cidr=10.1.2.3/24", "pasta:-I,eth0,--map-gw", "ns:/x", "container:a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseNetwork(s)
		if err != nil {
			return
		}
		back, err := ParseNetwork(m.String())
		if err != nil || !reflect.DeepEqual(back, m) {
			t.Fatalf("%q: %+v reads back as %+v, %v", s, m, back, err)
		}
	})
}
