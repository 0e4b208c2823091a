package slirp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"

	"github.com/rootless-containers/rootlesskit/v3/pkg/port"
)

// Handover is a session with Options.Hold, for the program that this process executes
// next. The process stays the helper's parent.
type Handover struct {
	Helper int      // pid; 0: there is none
	Words  *os.File // the session's
	Keep   *os.File // the session's; may be nil
	// The rest is for published ports only.
	Netns                      *os.File // the session's
	Address, Address6, Gateway string
	Ports                      []HeldPort
}

// HeldPort is a socket that listens on a published port.
type HeldPort struct {
	Protocol Protocol
	To       int      // the container's port
	Socket   *os.File // closed by Handover.Close and by Resume
}

// Close closes the sockets.
func (h Handover) Close() {
	for _, p := range h.Ports {
		p.Socket.Close()
	}
}

// HandOver is what Resume needs. It is for after Wait; the session goes on unless this
// process executes another program, with Exec. The caller has to close it.
func (s *Session) HandOver() (h Handover, err error) {
	<-s.ready
	if s.helper == nil {
		return h, nil
	}
	h.Helper, h.Words, h.Keep = s.helper.pid(), s.helper.words, s.keep
	if s.ports == nil {
		return h, nil
	}
	info := s.ports.info
	h.Netns, h.Address, h.Gateway = s.ns.File, info.Address.String(), info.Gateway.String()
	if info.Address6.IsValid() {
		h.Address6 = info.Address6.String()
	}
	if h.Ports, err = s.ports.held(); err != nil {
		h.Close()
	}
	return h, err
}

func (f *forwarder) held() (out []HeldPort, err error) {
	for id, ln := range f.tcp.listeners {
		l, ok := ln.(*net.TCPListener)
		if !ok {
			return out, errors.New("bug: listener of another kind")
		}
		socket, err := l.File()
		if err != nil {
			return out, err
		}
		out = append(out, HeldPort{TCP, f.tcp.ports[id].Spec.ChildPort, socket})
	}
	for _, u := range f.udp {
		socket, err := u.conn.File()
		if err != nil {
			return out, err
		}
		out = append(out, HeldPort{UDP, int(u.port), socket})
	}
	return out, nil
}

// Exec runs exec, which executes another program, where the helper survives that: on the
// thread that has started it, which is in another mount namespace and in another
// directory than this process. It returns exec's error, and the session goes on.
func (s *Session) Exec(exec func() error) error {
	if s.helper == nil {
		return exec()
	}
	done := make(chan error, 1)
	select {
	case s.helper.jobs <- func() { done <- exec() }:
		return <-done
	case <-s.helper.done:
		return s.helper.ended()
	}
}

// Resume goes on with a session that this process had before it executed this program.
// Published ports are served.
func Resume(ctx context.Context, h Handover, log *slog.Logger) (*Session, error) {
	s := &Session{
		logger: log, keep: h.Keep,
		ready: make(chan struct{}), closed: make(chan struct{}), died: make(chan struct{}),
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	close(s.ready)
	if h.Helper == 0 {
		return s, nil
	}
	s.helper = &helper{name: "network helper", words: h.Words, done: make(chan struct{})}
	var err error
	if s.helper.proc, err = os.FindProcess(h.Helper); err != nil {
		return nil, err
	}
	go s.helper.watch(s.helper.wait)
	go s.watch()
	if len(h.Ports) == 0 {
		return s, nil
	}
	s.ns = &Netns{File: h.Netns}
	if s.ports, err = resumePorts(ctx, h, s.logger); err != nil {
		return s, fmt.Errorf("published ports: %w", err)
	}
	return s, s.ports.serve(s.ns)
}

// wait is exec.Cmd's, for a child that an earlier program of this process has started.
func (h *helper) wait() error {
	state, err := h.proc.Wait()
	if err == nil && !state.Success() {
		err = &exec.ExitError{ProcessState: state}
	}
	return err
}

func resumePorts(ctx context.Context, h Handover, log *slog.Logger) (*forwarder, error) {
	clients := newBudget(len(h.Ports))
	f := &forwarder{tcp: newTCPDriver(ctx, clients, log)}
	var err error
	if f.info.Address, err = netip.ParsePrefix(h.Address); err != nil {
		return f, err
	}
	if f.info.Gateway, err = netip.ParseAddr(h.Gateway); err != nil {
		return f, err
	}
	if h.Address6 != "" {
		if f.info.Address6, err = netip.ParsePrefix(h.Address6); err != nil {
			return f, err
		}
	}
	for _, p := range h.Ports {
		if err := f.resume(p, clients, log); err != nil {
			return f, err
		}
	}
	return f, nil
}

// resume takes one socket over.
func (f *forwarder) resume(p HeldPort, clients budget, log *slog.Logger) error {
	defer p.Socket.Close()
	if p.Protocol == TCP {
		ln, err := net.FileListener(p.Socket)
		if err == nil {
			f.tcp.mu.Lock()
			f.tcp.listen(ln, port.Spec{Proto: string(TCP), ChildPort: p.To})
			f.tcp.mu.Unlock()
		}
		return err
	}
	pc, err := net.FilePacketConn(p.Socket)
	if err != nil {
		return err
	}
	conn, ok := pc.(*net.UDPConn)
	if !ok {
		return errors.Join(errors.New("bug: socket of another kind"), pc.Close())
	}
	f.udp = append(f.udp, newUDPForwarder(conn, uint16(p.To), clients, log))
	return nil
}
