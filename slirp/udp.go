package slirp

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

const (
	// udpIdle is how long a flow lives without a datagram, as in Docker.
	udpIdle = 90 * time.Second
	// udpFlows bounds the clients of one port; each costs a socket.
	udpFlows = 4096
)

// Of packets, and tables of routes, in the container's namespace.
const (
	replyMark  = 0x6275 // "bu"
	replyTable = 0x6275
	udpTable   = 0x6276
)

// udpForwarder is one published UDP port. For every client there is a socket
// in the container's namespace which claims to be that client, and a route
// that brings the server's answers to it. As long as the client is known, the
// server's packets from that port to that address are answers; other packets
// of the server, also from that port, leave through the helper as ever.
type udpForwarder struct {
	dialer *dialer
	budget budget
	log    *slog.Logger
	port   uint16
	conn   *net.UDPConn
	nl     *sys.Rtnl // in the container's namespace; nil, as dialer, until start

	mu     sync.Mutex
	closed bool
	flows  map[netip.AddrPort]*udpFlow
	routes map[netip.Addr]int // clients, and how many flows each has
}

// udpFlow is one client's.
type udpFlow struct {
	conn   *net.UDPConn
	local  []byte       // control message: which of our addresses the client used
	active atomic.Int64 // Unix time of the last datagram
}

func listenUDP(ctx context.Context, p Port) (*net.UDPConn, error) {
	host := ""
	if p.HostIP.IsValid() {
		host = p.HostIP.String()
	}
	pc, err := (&net.ListenConfig{}).ListenPacket(ctx, p.network(), net.JoinHostPort(host, strconv.Itoa(int(p.HostPort))))
	if err != nil {
		return nil, err
	}
	conn, ok := pc.(*net.UDPConn)
	if !ok {
		pc.Close()
		return nil, net.UnknownNetworkError(p.network())
	}
	if err := askForLocalAddress(conn); err != nil {
		pc.Close()
		return nil, err
	}
	return conn, nil
}

// newUDPForwarder takes conn over.
func newUDPForwarder(conn *net.UDPConn, to uint16, b budget, log *slog.Logger) *udpForwarder {
	return &udpForwarder{
		conn: conn, budget: b, log: log, port: to,
		flows: map[netip.AddrPort]*udpFlow{}, routes: map[netip.Addr]int{},
	}
}

// start takes datagrams from now on.
func (u *udpForwarder) start(d *dialer) (err error) {
	var nl *sys.Rtnl
	if !d.do(func() { nl, err = sys.OpenRtnl() }) {
		err = errClosed
	}
	if err != nil {
		return err
	}
	u.mu.Lock()
	u.dialer, u.nl = d, nl
	u.mu.Unlock()
	go u.run()
	return nil
}

// close ends all flows. The goroutines follow when they notice.
func (u *udpForwarder) close() {
	u.conn.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for _, f := range u.flows {
		f.conn.Close()
	}
	if u.nl != nil {
		u.nl.Close()
	}
}

// run takes datagrams from clients to the container.
func (u *udpForwarder) run() {
	buf, oob := make([]byte, 65536), make([]byte, 128)
	for {
		n, oobn, _, from, err := u.conn.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			return // closed
		}
		f := u.flow(from, oob[:oobn])
		if f == nil {
			continue
		}
		f.active.Store(time.Now().Unix())
		_, _ = f.conn.Write(buf[:n]) // ECONNREFUSED: nobody listens, as the client will find
	}
}

// flow finds or makes the client's. It returns nil where there can be none.
func (u *udpForwarder) flow(client netip.AddrPort, oob []byte) *udpFlow {
	u.mu.Lock()
	defer u.mu.Unlock()
	if f := u.flows[client]; f != nil || u.closed {
		return f
	}
	if len(u.flows) >= udpFlows || !u.budget.udp.TryAcquire(udpFDs) {
		u.log.Warn("too many clients of a published UDP port", slog.Int("port", int(u.port)))
		return nil
	}
	f, err := u.newFlow(client)
	if err != nil {
		u.budget.udp.Release(udpFDs)
		u.log.Debug("datagram to a published port", slog.String("error", err.Error()))
		return nil
	}
	f.local = replyFrom(oob)
	u.flows[client] = f
	go u.replies(f, client)
	return f
}

func (u *udpForwarder) newFlow(client netip.AddrPort) (*udpFlow, error) {
	seen := u.dialer.client(client).Addr()
	if u.routes[seen] == 0 {
		if err := u.nl.AddRoute(u.dialer.info.replyRoute(seen)); err != nil {
			return nil, err
		}
	}
	file, err := u.dialer.dial(UDP, client, u.port)
	if err != nil {
		u.forget(seen)
		return nil, err
	}
	c, err := netConn(file)
	if err != nil {
		u.forget(seen)
		return nil, err
	}
	conn, ok := c.(*net.UDPConn)
	if !ok {
		c.Close()
		u.forget(seen)
		return nil, net.UnknownNetworkError(c.LocalAddr().Network())
	}
	u.routes[seen]++
	return &udpFlow{conn: conn}, nil
}

// forget removes the route of a client that has no flow (left).
func (u *udpForwarder) forget(seen netip.Addr) {
	if u.routes[seen] == 0 && !u.closed {
		delete(u.routes, seen)
		_ = u.nl.DelRoute(u.dialer.info.replyRoute(seen)) // it would do no harm
	}
}

// replyRoute brings what goes to client back to our socket. The source is for
// servers that listen on every address and let the kernel choose.
func (i Info) replyRoute(client netip.Addr) sys.Route {
	r := sys.Route{Dst: netip.PrefixFrom(client, client.BitLen()), Link: "lo", Table: udpTable, Local: true, Source: i.Address.Addr()}
	if client.Is6() {
		r.Source = i.Address6.Addr()
	}
	return r
}

// replies takes datagrams from the container back to the client, until nobody
// has said anything for a while.
func (u *udpForwarder) replies(f *udpFlow, client netip.AddrPort) {
	defer u.drop(f, client)
	for {
		if err := f.conn.SetReadDeadline(time.Now().Add(udpIdle)); err != nil {
			return
		}
		err := u.reply(f, client)
		switch {
		case err == nil:
			f.active.Store(time.Now().Unix())
		case isTimeout(err):
			if time.Since(time.Unix(f.active.Load(), 0)) >= udpIdle {
				return
			}
		case isRefused(err): // the server is not up yet
		default:
			return
		}
	}
}

func (u *udpForwarder) drop(f *udpFlow, client netip.AddrPort) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f.conn.Close()
	u.budget.udp.Release(udpFDs)
	if u.closed {
		return
	}
	delete(u.flows, client)
	seen := u.dialer.client(client).Addr()
	u.routes[seen]--
	u.forget(seen)
}

// buffers are shared by all flows: one is only taken while there is a datagram.
var buffers = sync.Pool{New: func() any { b := make([]byte, 65536); return &b }}

// reply passes one datagram on.
func (u *udpForwarder) reply(f *udpFlow, client netip.AddrPort) error {
	rc, err := f.conn.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = rc.Read(func(fd uintptr) bool {
		b, _ := buffers.Get().(*[]byte)
		defer buffers.Put(b)
		n, _, err := unix.Recvfrom(int(fd), *b, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EAGAIN) {
			return false
		}
		if result = err; err == nil {
			_, _, result = u.conn.WriteMsgUDPAddrPort((*b)[:n], f.local, client)
		}
		return true
	})
	if err != nil {
		return err
	}
	return result
}

// routeUDPReplies has the answers of published UDP ports looked up among the
// clients' routes first. It runs on a thread in the namespace.
func routeUDPReplies(nl *sys.Rtnl, family uint8, ports []Port) error {
	seen := map[uint16]bool{}
	for _, p := range ports {
		if p.Protocol != UDP || seen[p.ContainerPort] {
			continue
		}
		seen[p.ContainerPort] = true
		rule := sys.Rule{Priority: ruleReply, Protocol: unix.IPPROTO_UDP, Sport: p.ContainerPort, Table: udpTable}
		if err := nl.AddRule(family, rule); err != nil {
			return err
		}
	}
	return nil
}
