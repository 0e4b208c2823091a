package slirp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
)

func TestPublishSlirp4netns(t *testing.T) { publishSuite(t, "slirp4netns") }

func TestPublishPasta(t *testing.T) { publishSuite(t, "pasta") }

func TestPublishIPv6(t *testing.T) { publishSuite(t, "slirp4netns:enable_ipv6=true") }

func publishSuite(t *testing.T, network string) {
	driver, _, options := strings.Cut(network, ":")
	need(t, driver)
	if !anchored(t) {
		return
	}
	remote := newWorld(t)
	ns := newNetns(t, NetnsOptions{})
	ports, err := ParsePorts([]string{
		"8080:80", "8053:53/udp", hostIP + ":8081:80", "127.0.0.1::80", "8090-8091:80", "8084:444", "127.0.0.1::53/udp", "[::1]:8085:80",
	})
	if err != nil {
		t.Fatal(err)
	}
	s := startSession(t, ns, network, Options{Ports: ports})
	serve(t, ns, ":80")
	serveUDP(t, ns, ":53")

	local := s.Info().Gateway.String()
	v6 := local
	if options {
		v6 = remoteIP6
	}
	random := strconv.Itoa(int(s.Ports()[3].HostPort))
	ranged := strconv.Itoa(int(s.Ports()[4].HostPort))
	randomUDP := strconv.Itoa(int(s.Ports()[6].HostPort))
	for _, c := range []struct {
		from                *Netns
		network, to, seenAs string
	}{
		{remote, "tcp", hostIP + ":8080", remoteIP},
		{remote, "tcp", hostIP + ":8081", remoteIP},
		{remote, "tcp", "[" + hostIP6 + "]:8080", v6},
		{remote, "tcp", hostIP + ":" + ranged, remoteIP},
		{nil, "tcp", "127.0.0.1:8080", local},
		{nil, "tcp", "[::1]:8080", local},
		{nil, "tcp", "[::1]:8085", local},
		{nil, "tcp", hostIP + ":8080", hostIP},
		{nil, "tcp", "127.0.0.1:" + random, local},
		{remote, "udp", hostIP + ":8053", remoteIP},
		{remote, "udp", "[" + hostIP6 + "]:8053", v6},
		{nil, "udp", "127.0.0.1:8053", local},
		{nil, "udp", hostIP + ":8053", hostIP},
		{nil, "udp", "127.0.0.1:" + randomUDP, local},
	} {
		for range 3 {
			got, err := ask(t.Context(), c.from, c.network, c.to)
			if err != nil || hostOf(got) != c.seenAs {
				t.Errorf("%s to %s: server saw %q, %v; want %s", c.network, c.to, got, err, c.seenAs)
			}
		}
	}
	for _, to := range []string{hostIP + ":" + random, hostIP + ":8085", "[" + hostIP6 + "]:8081"} {
		if got, err := ask(t.Context(), remote, "tcp", to); err == nil {
			t.Errorf("%s is published on another address, yet answered %q", to, got)
		}
	}
	// Nobody listens on 444: the client learns it soon.
	start := time.Now()
	if got, err := ask(t.Context(), remote, "tcp", hostIP+":8084"); got != "" || time.Since(start) > 2*time.Second {
		t.Errorf("port without server: %q, %v after %v", got, err, time.Since(start))
	}
	// The container's own way out still works, also from a published port.
	serveUDP(t, remote, remoteIP+":5353")
	if got, err := ask(t.Context(), ns, "udp", remoteIP+":5353"); err != nil || hostOf(got) != hostIP {
		t.Errorf("outbound beside ports: %q, %v", got, err)
	}

	s.Close()
	if got, err := ask(t.Context(), nil, "tcp", "127.0.0.1:8080"); err == nil {
		t.Errorf("after Close the port answered %q", got)
	}
	sameNetns(t)
}

// A server that talks from its published UDP port to somebody who is not a
// client reaches them.
func TestUDPOutboundFromPublishedPort(t *testing.T) {
	need(t, "slirp4netns")
	if !anchored(t) {
		return
	}
	remote := newWorld(t)
	ns := newNetns(t, NetnsOptions{})
	ports, _ := ParsePorts([]string{"5000:5000/udp"})
	startSession(t, ns, "slirp4netns", Options{Ports: ports})
	serveUDP(t, remote, remoteIP+":7")
	var pc net.PacketConn
	in(t, ns, func() (err error) {
		pc, err = (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", ":5000")
		return err
	})
	defer pc.Close()
	if _, err := pc.WriteTo([]byte("?"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(remoteIP+":7"))); err != nil {
		t.Fatal(err)
	}
	_ = pc.SetReadDeadline(time.Now().Add(3 * time.Second))
	buf := make([]byte, 100)
	if n, _, err := pc.ReadFrom(buf); err != nil || hostOf(string(buf[:n])) != hostIP {
		t.Errorf("%q, %v", buf[:n], err)
	}
}

func TestPublishRefused(t *testing.T) {
	need(t, "slirp4netns")
	if !anchored(t) {
		return
	}
	newWorld(t)
	serve(t, nil, "127.0.0.1:8080")
	serveUDP(t, nil, "127.0.0.1:8053")
	for _, c := range []struct {
		port, text, hint string
		is               error
	}{
		{"8080:80", "port is in use by \"", "another host port", ErrPortInUse},
		{"8053:80/udp", "(pid " + strconv.Itoa(os.Getpid()), "another host port", ErrPortInUse},
		{"192.0.2.99:8081:80", "192.0.2.99:8081/tcp", "", ErrSyntax},
	} {
		ns := newNetns(t, NetnsOptions{})
		ports, err := ParsePorts([]string{"9999:1", c.port})
		if err != nil {
			t.Fatal(err)
		}
		s, err := Start(t.Context(), ns, Mode{Kind: Slirp4netns}, Options{Ports: ports})
		if err != nil {
			t.Fatal(err)
		}
		err = s.Wait(t.Context())
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.text) || !strings.Contains(hint.Of(err), c.hint) {
			t.Errorf("%s: %v (hint %q); want %q (hint %q)", c.port, err, hint.Of(err), c.text, c.hint)
		}
		if pid := s.PID(); pid != 0 {
			t.Errorf("%s: helper %d still there", c.port, pid)
		}
		s.Close()
		if _, err := ask(t.Context(), nil, "tcp", "127.0.0.1:9999"); err == nil {
			t.Errorf("%s: the other port stayed open", c.port)
		}
	}
}

// Root in the anchor has CAP_NET_BIND_SERVICE over this package's test
// namespaces, but not over a host's, so that error is given, not provoked.
func TestExplainPrivileged(t *testing.T) {
	p := Port{Protocol: TCP, HostPort: 80, ContainerPort: 80}
	err := explainListen(p, os.NewSyscallError("bind", unix.EACCES))
	if !errors.Is(err, ErrPortPrivileged) || !strings.Contains(err.Error(), "0.0.0.0:80/tcp") ||
		!strings.HasPrefix(hint.Of(err), "sudo sysctl net.ipv4.ip_unprivileged_port_start=80 ") {
		t.Errorf("%v (hint %q)", err, hint.Of(err))
	}
}

// Who connects before ports are served waits, and is served by whoever has taken over.
func TestHold(t *testing.T) {
	need(t, "slirp4netns")
	if !anchored(t) {
		return
	}
	newWorld(t)
	ns := newNetns(t, NetnsOptions{})
	ports, err := ParsePorts([]string{"127.0.0.1:8080:80", "127.0.0.1:8053:53/udp"})
	if err != nil {
		t.Fatal(err)
	}
	s := startSession(t, ns, "slirp4netns", Options{Ports: ports, Hold: true})
	serve(t, ns, ":80")
	serveUDP(t, ns, ":53")
	type answer struct {
		from string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		from, err := askFor(t.Context(), nil, "tcp", "127.0.0.1:8080", 10*time.Second)
		got <- answer{from, err}
	}()
	select {
	case a := <-got:
		t.Fatalf("served: %+v", a)
	case <-time.After(100 * time.Millisecond):
	}
	h, err := s.HandOver()
	if err != nil {
		t.Fatal(err)
	}
	if h.Helper != s.PID() || h.Words == nil || h.Keep == nil || len(h.Ports) != 2 {
		t.Errorf("%+v", h)
	}
	h.Helper, h.Words, h.Keep = 0, nil, nil // a process is waited for once
	ran := false
	if err := s.Exec(func() error { ran = true; return errNonsense }); !ran || !errors.Is(err, errNonsense) {
		t.Errorf("ran: %v, %v", ran, err)
	}
	if f, err := resumePorts(t.Context(), h, s.logger); err != nil {
		t.Error(err)
	} else {
		defer f.close()
		if err := f.serve(ns); err != nil {
			t.Error(err)
		}
	}
	gateway := s.Info().Gateway.String()
	if a := <-got; a.err != nil || hostOf(a.from) != gateway {
		t.Errorf("TCP: %+v", a)
	}
	if from, err := ask(t.Context(), nil, "udp", "127.0.0.1:8053"); err != nil || hostOf(from) != gateway {
		t.Errorf("UDP: %q %v", from, err)
	}
}

// In the anchor the user's own UID is 0, which is root's to whoever reads it.
func TestOwnerIsTheHosts(t *testing.T) {
	if !anchored(t) {
		return
	}
	f, err := os.Open("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m, err := idmap.ParseMap(f)
	if err != nil {
		t.Fatal(err)
	}
	us, _ := m.Host(0) // root's own is 0 there, too
	if got := ownerOf("0"); got != fmt.Sprintf("a process of uid %d", us) {
		t.Errorf("our own is %q, we are %d", got, us)
	}
	if got := ownerOf("65534"); got != "another user's process" {
		t.Errorf("another's is %q", got)
	}
}
