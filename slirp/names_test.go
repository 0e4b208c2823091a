package slirp

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

const hostResolv = `# comment
domain ignored.example
search corp.example  bad$name lab.example
nameserver 127.0.0.53
nameserver 192.0.2.53
nameserver 2001:db8::53
nameserver fe80::1%eth0
nameserver rubbish
options edns0 ndots:2 evil;rm
nonsense
`

func TestResolvConf(t *testing.T) {
	host := ParseResolv(strings.NewReader(hostResolv))
	for _, c := range []struct {
		name, network string
		dns           DNS
		want          string
	}{
		{"slirp", "", DNS{}, "search corp.example lab.example\nnameserver 10.0.2.3\nnameserver 192.0.2.53\noptions edns0 ndots:2\n"},
		{
			"slirp with IPv6", "slirp4netns:enable_ipv6=true,cidr=10.7.0.0/16",
			DNS{Search: []string{"."}},
			"nameserver 10.7.0.3\nnameserver 192.0.2.53\nnameserver 2001:db8::53\noptions edns0 ndots:2\n",
		},
		{
			"host", "host",
			DNS{Options: []string{"use-vc"}},
			"search corp.example lab.example\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver 2001:db8::53\nnameserver fe80::1%eth0\noptions use-vc\n",
		},
		{"ns", "ns:/x", DNS{}, "search corp.example lab.example\nnameserver 192.0.2.53\nnameserver 2001:db8::53\noptions edns0 ndots:2\n"},
		{
			"asked", "pasta",
			DNS{Servers: []string{"9.9.9.9", "::1"}, Search: []string{"a.b"}, Options: []string{"ndots:1"}},
			"search a.b\nnameserver 9.9.9.9\nnameserver ::1\noptions ndots:1\n",
		},
		{"none", "none", DNS{}, ""},
	} {
		m, err := ParseNetwork(c.network)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ResolvConf(host, m, c.dns)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: %v, got\n%swant\n%s", c.name, err, got, c.want)
		}
	}
}

func TestResolvConfRefuses(t *testing.T) {
	m := Mode{Kind: Slirp4netns}
	for _, d := range []DNS{
		{Servers: []string{"dns.example"}},
		{Servers: []string{"1.2.3.4\nnameserver 6.6.6.6"}},
		{Servers: []string{"none", "1.2.3.4"}},
		{Servers: []string{"fe80::1%a b"}},
		{Search: []string{"a b"}},
		{Search: []string{"a\nnameserver 6.6.6.6"}},
		{Search: []string{"."}, Servers: []string{""}},
		{Search: []string{".", "a"}},
		{Options: []string{"ndots:1 x"}},
		{Options: []string{"ndots:x"}},
		{Options: []string{"a\x00b"}},
	} {
		if got, err := ResolvConf(Resolv{}, m, d); !errors.Is(err, ErrSyntax) {
			t.Errorf("%+q: %q, %v; want ErrSyntax", d, got, err)
		}
	}
	if _, err := ResolvConf(Resolv{}, Mode{Kind: None}, DNS{Servers: []string{"1.1.1.1"}}); !errors.Is(err, ErrSyntax) {
		t.Errorf("dns without a network: %v", err)
	}
}

func TestHostsFile(t *testing.T) {
	gw := netip.MustParseAddr("192.0.2.2")
	got, err := HostsFile(Mode{Kind: Slirp4netns}, Hosts{
		Names:       []string{"web", "web", "abc123"},
		Add:         []string{"db:10.1.1.1", "a;b:::1", "c:[2001:db8::1]", "d=1.2.3.4", "me:host-gateway"},
		HostGateway: gw,
	})
	want := `10.1.1.1	db
::1	a b
2001:db8::1	c
1.2.3.4	d
192.0.2.2	me
127.0.0.1	localhost
::1	localhost ip6-localhost ip6-loopback
192.0.2.2	host.containers.internal host.docker.internal
10.0.2.100	web abc123
`
	if err != nil || string(got) != want {
		t.Errorf("%v, got\n%swant\n%s", err, got, want)
	}
	got, err = HostsFile(Mode{Kind: None}, Hosts{Names: []string{"x"}, Base: []byte("127.0.0.1 here"), HostGateway: gw})
	if want := "127.0.0.1 here\n127.0.0.1\tx\n"; err != nil || string(got) != want {
		t.Errorf("%v, got\n%swant\n%s", err, got, want)
	}
	for _, h := range []Hosts{
		{Add: []string{"x"}},
		{Add: []string{"x:"}},
		{Add: []string{":1.2.3.4"}},
		{Add: []string{"x y:1.2.3.4"}},
		{Add: []string{"x:1.2.3.4\n6.6.6.6 bank"}},
		{Add: []string{"x\n:1.2.3.4"}},
		{Add: []string{"x#:1.2.3.4"}},
		{Add: []string{"x:[::1"}},
		{Add: []string{"x:fe80::1%lo"}},
		{Add: []string{"x:host-gateway"}},
		{Names: []string{"a\nb"}},
		{Names: []string{""}},
	} {
		if got, err := HostsFile(Mode{Kind: Slirp4netns}, h); !errors.Is(err, ErrSyntax) {
			t.Errorf("%+q: %q, %v; want ErrSyntax", h, got, err)
		}
	}
}

// Whatever the arguments, every line of the files is one that was meant (V20).
func FuzzNames(f *testing.F) {
	f.Add("8.8.8.8", "corp.example", "ndots:1", "db:1.2.3.4", "web", hostResolv)
	f.Add("none", ".", "", "a;b:[::1]", "-x", "search \x00\n")
	f.Fuzz(func(t *testing.T, server, search, option, add, name, host string) {
		m := Mode{Kind: Slirp4netns}
		conf, err := ResolvConf(ParseResolv(strings.NewReader(host)), m,
			DNS{Servers: []string{server}, Search: []string{search}, Options: []string{option}})
		if err == nil {
			checkLines(t, conf, []string{"search", "nameserver", "options"}, 3+len(host))
		}
		hosts, err := HostsFile(m, Hosts{Names: []string{name}, Add: []string{add}})
		if err == nil {
			checkLines(t, hosts, nil, 4)
		}
	})
}

func checkLines(t *testing.T, file []byte, words []string, most int) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(string(file), "\n"), "\n")
	if len(lines) > most {
		t.Fatalf("%d lines: %q", len(lines), file)
	}
	for _, l := range lines {
		first, _, _ := strings.Cut(strings.ReplaceAll(l, "\t", " "), " ")
		if l != "" && words != nil && !slices.Contains(words, first) {
			t.Fatalf("line %q", l)
		}
		if strings.ContainsFunc(l, func(c rune) bool { return c != '\t' && (c < ' ' || c > '~') || c == '#' || c == ';' }) {
			t.Fatalf("line %q", l)
		}
	}
}
