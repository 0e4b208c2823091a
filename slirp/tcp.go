package slirp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/rootless-containers/rootlesskit/v3/pkg/port"
	"github.com/rootless-containers/rootlesskit/v3/pkg/port/portutil"
)

// tcpDriver is a port driver as rootlesskit has them. Its own, "builtin", has no
// bound: each connection costs it up to ten descriptors, and when there are none
// left its listener ends, for good, at the first accept(2) that fails. So anybody
// who reaches a published port could close it, and what else its process does
// would fail with it.
type tcpDriver struct {
	dialer *dialer // nil until start
	budget budget
	log    *slog.Logger
	ctx    context.Context //nolint:containedctx // ends with the driver
	stop   context.CancelFunc

	mu        sync.Mutex
	nextID    int
	ports     map[int]*port.Status
	listeners map[int]net.Listener
	served    bool
	conns     map[net.Conn]struct{}
	closed    bool
}

var _ port.Manager = (*tcpDriver)(nil)

func newTCPDriver(ctx context.Context, b budget, log *slog.Logger) *tcpDriver {
	t := &tcpDriver{
		budget: b, log: log,
		ports: map[int]*port.Status{}, listeners: map[int]net.Listener{}, conns: map[net.Conn]struct{}{},
	}
	t.ctx, t.stop = context.WithCancel(context.WithoutCancel(ctx))
	return t
}

// start takes what connects to the container, on ports that there are and that are added.
func (t *tcpDriver) start(d *dialer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dialer, t.served = d, true
	for id, ln := range t.listeners {
		go t.serve(ln, uint16(t.ports[id].Spec.ChildPort))
	}
}

// AddPort listens. Who connects is taken after start.
func (t *tcpDriver) AddPort(ctx context.Context, spec port.Spec) (*port.Status, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errClosed
	}
	if err := portutil.ValidatePortSpec(spec, t.ports); err != nil {
		return nil, err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, spec.Proto, net.JoinHostPort(spec.ParentIP, strconv.Itoa(spec.ParentPort)))
	if err != nil {
		return nil, err
	}
	return t.listen(ln, spec), nil
}

// listen adds a port that is listened on. The caller has locked t.
func (t *tcpDriver) listen(ln net.Listener, spec port.Spec) *port.Status {
	t.nextID++
	st := &port.Status{ID: t.nextID, Spec: spec}
	t.ports[st.ID], t.listeners[st.ID] = st, ln
	if t.served {
		go t.serve(ln, uint16(spec.ChildPort))
	}
	return st
}

// ListPorts tells what is listened on.
func (t *tcpDriver) ListPorts(context.Context) ([]port.Status, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]port.Status, 0, len(t.ports))
	for _, st := range t.ports {
		out = append(out, *st)
	}
	return out, nil
}

// RemovePort stops listening. Connections that there are stay.
func (t *tcpDriver) RemovePort(_ context.Context, id int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	ln, ok := t.listeners[id]
	if !ok {
		return fmt.Errorf("port %d: %w", id, errClosed)
	}
	delete(t.ports, id)
	delete(t.listeners, id)
	return ln.Close()
}

func (t *tcpDriver) add(ctx context.Context, p Port) error {
	spec := port.Spec{Proto: p.network(), ParentPort: int(p.HostPort), ChildPort: int(p.ContainerPort)}
	if p.HostIP.IsValid() {
		spec.ParentIP = p.HostIP.String()
	}
	_, err := t.AddPort(ctx, spec)
	return err
}

// close closes the listeners and the connections. The goroutines follow.
func (t *tcpDriver) close() {
	t.stop()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for _, ln := range t.listeners {
		ln.Close()
	}
	for c := range t.conns {
		c.Close()
	}
}

// acceptPause is how long a listener waits where a connection could not be taken,
// for want of memory or of descriptors in the whole system.
const acceptPause = 100 * time.Millisecond

// serve takes connections until the listener is closed. Whoever connects when there
// are as many as there may be waits, in the kernel, until one of them has ended.
func (t *tcpDriver) serve(ln net.Listener, to uint16) {
	for {
		c, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			t.log.Warn("connection to a published port", slog.String("error", err.Error()))
			if !t.pause() {
				return
			}
			continue
		}
		if t.budget.tcp.Acquire(t.ctx, tcpFDs) != nil {
			c.Close()
			return
		}
		go func() {
			defer t.budget.tcp.Release(tcpFDs)
			t.forward(c, to)
		}()
	}
}

func (t *tcpDriver) pause() (goOn bool) {
	select {
	case <-t.ctx.Done():
		return false
	case <-time.After(acceptPause):
		return true
	}
}

// keep has close close a connection. It reports false after close.
func (t *tcpDriver) keep(c net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.conns[c] = struct{}{}
	return true
}

func (t *tcpDriver) drop(c net.Conn) {
	t.mu.Lock()
	delete(t.conns, c)
	t.mu.Unlock()
	c.Close()
}

// forward carries one connection.
func (t *tcpDriver) forward(client net.Conn, to uint16) {
	defer t.drop(client)
	if !t.keep(client) {
		return
	}
	source, err := netip.ParseAddrPort(client.RemoteAddr().String())
	if err != nil {
		return // it is gone already
	}
	f, err := t.dialer.dial(TCP, source, to)
	if err != nil {
		t.log.Debug("connection to a published port", slog.String("error", err.Error()))
		return
	}
	server, err := netConn(f)
	if err != nil {
		t.log.Debug("connection to a published port", slog.String("error", err.Error()))
		return
	}
	defer t.drop(server)
	if !t.keep(server) {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		oneWay(server, client)
	}()
	oneWay(client, server)
	<-done
}

// oneWay copies until from has ended, and says so to the other side. An error that is
// no end closes both ways: nobody is left to hear what would still come.
func oneWay(to, from net.Conn) {
	_, err := io.Copy(to, from) // splice(2): not through our memory
	if c, ok := from.(*net.TCPConn); ok {
		_ = c.CloseRead()
	}
	if c, ok := to.(*net.TCPConn); ok && c.CloseWrite() == nil && err == nil {
		return
	}
	_ = from.SetDeadline(time.Now())
	_ = to.SetDeadline(time.Now())
}
