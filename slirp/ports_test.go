package slirp

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/hint"
)

func join(ports []Port) string {
	var s []string
	for _, p := range ports {
		s = append(s, p.String())
	}
	return strings.Join(s, " ")
}

func TestParsePorts(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"80", "80/tcp"},
		{"80/udp", "80/udp"},
		{"80/UDP", "80/udp"},
		{"8080:80", "8080:80/tcp"},
		{"0:80", "80/tcp"},
		{"127.0.0.1:8080:80", "127.0.0.1:8080:80/tcp"},
		{"127.0.0.1::80", "127.0.0.1::80/tcp"},
		{"127.0.0.1:0:80/udp", "127.0.0.1::80/udp"},
		{"[::1]:8080:80", "[::1]:8080:80/tcp"},
		{"[::1]::80", "[::1]::80/tcp"},
		{"[::]:53:53/udp", "[::]:53:53/udp"},
		{"[::ffff:1.2.3.4]:53:53", "1.2.3.4:53:53/tcp"},
		{":8080:80", "8080:80/tcp"},
		{"53:53/tcp,udp", "53:53/tcp 53:53/udp"},
		{"8000-8002:80-82", "8000:80/tcp 8001:81/tcp 8002:82/tcp"},
		{"8000-8002:80", "8000-8002:80/tcp"},
		{"80-81", "80/tcp 81/tcp"},
		{"127.0.0.1::80-81", "127.0.0.1::80/tcp 127.0.0.1::81/tcp"},
		{"65535:65535", "65535:65535/tcp"},
		{"10.0.0.1:8000-8001:80-81/udp", "10.0.0.1:8000:80/udp 10.0.0.1:8001:81/udp"},
	} {
		got, err := ParsePorts([]string{c.in})
		if err != nil || join(got) != c.want {
			t.Errorf("%s: got %q, %v; want %q", c.in, join(got), err, c.want)
		}
		var again []string
		for _, p := range got {
			again = append(again, p.String())
		}
		if back, err := ParsePorts(again); err != nil || join(back) != join(got) {
			t.Errorf("%s: %q reads back as %q, %v", c.in, again, join(back), err)
		}
	}
}

func TestParsePortsRefuses(t *testing.T) {
	bad := [][]string{
		{"80:80", "80:80"},
		{"80:80", "80:81"},
		{"80:80", "127.0.0.1:80:81"},
		{"0.0.0.0:80:80", "127.0.0.1:80:80"},
		{"[::]:80:80", "[::1]:80:80"},
		{"80-90:80-90", "85:85"},
	}
	for _, one := range []string{
		"", "0", "65536", "-1", "+80", "x", "80-70", "70-80-90", "8080:0", ":80", ":", "::", "8080:", "65536:80",
		"80:65536", "8080-8090:80-81", "90-80:80", "80/", "80/sctp", "80/icmp", "80/tcp/udp", "80/tcp,tcp",
		"1.2.3.4:80", "1.2.3:8080:80", "::1:8080:80", "[::1]:80", "[::1:80:80", "[1.2.3.4]:80:80", "host:80:80",
		"224.0.0.1:80:80", "80 ", " 80", "80\n", "0x50",
	} {
		bad = append(bad, []string{one})
	}
	for _, c := range bad {
		if got, err := ParsePorts(c); !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: got %v, %v; want ErrSyntax", c, got, err)
		}
	}
	for _, c := range [][]string{
		{"80:80", "80:80/udp"}, {"80", "80"}, {"127.0.0.1:80:80", "127.0.0.2:80:80"}, {"0.0.0.0:80:80", "[::]:80:80"},
	} {
		if _, err := ParsePorts(c); err != nil {
			t.Errorf("%q: %v", c, err)
		}
	}
	_, err := ParsePorts([]string{"80/sctp"})
	if !strings.Contains(hint.Of(err), "--network=host") {
		t.Errorf("sctp: hint %q", hint.Of(err))
	}
}

func TestPublishAll(t *testing.T) {
	have, _ := ParsePorts([]string{"8080:80"})
	got, err := PublishAll([]string{"80/tcp", "443", "53/udp", "8000-8001", "443/tcp"}, have)
	want := "8080:80/tcp 443/tcp 53/udp 8000/tcp 8001/tcp"
	if err != nil || join(got) != want {
		t.Errorf("got %q, %v; want %q", join(got), err, want)
	}
	if _, err := PublishAll([]string{"1:2"}, nil); !errors.Is(err, ErrSyntax) {
		t.Errorf("1:2: %v", err)
	}
}

func FuzzParsePorts(f *testing.F) {
	for _, s := range []string{"80", "127.0.0.1:8000-8010:80-90/udp", "[::1]::80", ":::", "[]:1:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ports, err := ParsePorts([]string{s})
		if err != nil {
			return
		}
		for _, p := range ports {
			if p.ContainerPort == 0 || p.HostLast != 0 && p.HostLast <= p.HostPort {
				t.Fatalf("%q: %+v", s, p)
			}
			back, err := ParsePorts([]string{p.String()})
			if err != nil || fmt.Sprint(back) != fmt.Sprint([]Port{p}) {
				t.Fatalf("%q: %v reads back as %v, %v", s, p, back, err)
			}
		}
	})
}
