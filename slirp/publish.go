package slirp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// ruleReply is where our routing rules come: after "local", before "main".
const ruleReply = 100

// forwarder carries published ports into the namespace.
//
//	client ── listener ── this process ══ socket ══ server
//	          host's netns                container's netns
//
// TCP is a port driver with rootlesskit's interface (tcp.go), UDP has none
// (udp.go): in rootlesskit's protocol nobody says who the client is. Both get their
// sockets in the namespace from the dialer. One driver for slirp4netns and pasta,
// so that both behave alike. What clients may cost together is bounded (budget.go).
//
// The client's address is kept (V56). A client on the host's own loopback is
// seen as the gateway, as is an IPv6 client in a container that has only IPv4;
// 127.0.0.1 is never seen, because programs trust it.
type forwarder struct {
	info      Info
	published []Port
	dialer    *dialer // nil until serve
	tcp       *tcpDriver
	udp       []*udpForwarder
}

// newForwarder listens on every port, or on none and says which one failed. With
// Options.Hold, clients wait for serve.
func newForwarder(ctx context.Context, ns *Netns, info Info, o Options, log *slog.Logger) (_ *forwarder, err error) {
	if err := ns.Do(func() error { return routeReplies(info, o.Ports) }); err != nil {
		return nil, fmt.Errorf("route replies to clients: %w", err)
	}
	clients := newBudget(len(o.Ports))
	f := &forwarder{info: info, tcp: newTCPDriver(ctx, clients, log)}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	for _, p := range o.Ports {
		if p, err = f.open(ctx, p, clients, log); err != nil {
			return nil, explainListen(p, err)
		}
		f.published = append(f.published, p)
	}
	if o.Hold {
		return f, nil
	}
	if err := f.serve(ns); err != nil {
		return nil, err
	}
	return f, nil
}

// serve takes who connects, and who has connected meanwhile.
func (f *forwarder) serve(ns *Netns) (err error) {
	if f.dialer, err = newDialer(ns, f.info); err != nil {
		return err
	}
	for _, u := range f.udp {
		if err := u.start(f.dialer); err != nil {
			return err
		}
	}
	f.tcp.start(f.dialer)
	return nil
}

func (f *forwarder) close() {
	for _, u := range f.udp {
		u.close()
	}
	f.tcp.close()
	if f.dialer != nil {
		f.dialer.close()
	}
}

// open listens for one port, on a free one if it leaves the choice to us.
func (f *forwarder) open(ctx context.Context, p Port, clients budget, log *slog.Logger) (Port, error) {
	try := func(p Port) error {
		if p.Protocol == TCP {
			return f.tcp.add(ctx, p)
		}
		conn, err := listenUDP(ctx, p)
		if err == nil {
			f.udp = append(f.udp, newUDPForwarder(conn, p.ContainerPort, clients, log))
		}
		return err
	}
	if p.HostPort != 0 && p.HostLast == 0 {
		return p, try(p)
	}
	var err error
	for n := range candidates {
		q := p
		q.HostLast = 0
		if q.HostPort, err = candidate(ctx, p, n); err != nil {
			break
		}
		if err = try(q); !errors.Is(err, unix.EADDRINUSE) {
			return q, err
		}
	}
	return p, err
}

// routeReplies makes what a server sends to a client of a published port go
// back to our socket, which claims to be that client, and not out through the
// helper. It runs on a thread in the namespace.
//
// Our TCP sockets mark their packets; tcp_fwmark_accept makes the server's
// side of the connection carry the mark on, fwmark_reflect the answer of a
// port that nobody listens on. Marked packets are looked up in a table in
// which every address is local. (rootlesskit's own child driver does the same
// with nine calls of ip and iptables, if these are installed.)
//
// UDP has no such thing: what a server sends from its published port is looked
// up in a table that only knows the clients of the moment (udp.go).
func routeReplies(info Info, ports []Port) error {
	for _, name := range []string{"net/ipv4/tcp_fwmark_accept", "net/ipv4/fwmark_reflect", "net/ipv6/fwmark_reflect"} {
		if err := writeSysctl(name, "1"); err != nil && name != "net/ipv6/fwmark_reflect" {
			return err
		}
	}
	nl, err := sys.OpenRtnl()
	if err != nil {
		return err
	}
	defer nl.Close()
	everywhere := []netip.Addr{netip.IPv4Unspecified()}
	if info.Address6.IsValid() {
		everywhere = append(everywhere, netip.IPv6Unspecified())
	}
	for _, a := range everywhere {
		if err := nl.AddRule(family(a), sys.Rule{Priority: ruleReply, Mark: replyMark, Table: replyTable}); err != nil {
			return err
		}
		local := sys.Route{Dst: netip.PrefixFrom(a, 0), Link: "lo", Table: replyTable, Local: true}
		if err := nl.AddRoute(local); err != nil {
			return err
		}
		if err := routeUDPReplies(nl, family(a), ports); err != nil {
			return err
		}
	}
	return nil
}
