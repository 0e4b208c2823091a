package slirp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/burrow-run/burrow/internal/hint"
)

// readyTimeout bounds how long a helper may take; 4 ms is usual.
const readyTimeout = 10 * time.Second

// Options of Start. The zero value works for a network without ports.
type Options struct {
	// Ports to publish.
	Ports []Port
	// ProgramDirs are searched for the helpers; empty means the system's.
	ProgramDirs []string
	// Hold takes nobody who connects to a port until Serve is called, and lets Exec be
	// called before: whoever waits for the container may be another program.
	Hold bool
	// Logger gets what goes wrong later; nil discards.
	Logger *slog.Logger
}

// Session is a running connection of one network namespace with the outside.
type Session struct {
	mode   Mode
	ns     *Netns
	logger *slog.Logger

	ready  chan struct{} // closed when what follows is valid
	err    error
	helper *helper  // nil if it could not be started
	keep   *os.File // held open for as long as the helper shall live; may be nil
	ports  *forwarder

	closed chan struct{}
	died   chan struct{}
	once   sync.Once
}

// started is a helper process that has not said yet that it is ready.
type started struct {
	helper *helper
	ready  *os.File // readable when it is
	keep   *os.File // held open for as long as the helper shall live; may be nil
}

// Start connects the namespace as the mode says. It only checks what can be
// checked at once and returns; helper and ports get ready while the caller
// goes on, and Wait says how that went. The namespace must stay open until
// then. Modes without a helper give a Session that does nothing.
func Start(ctx context.Context, ns *Netns, m Mode, o Options) (*Session, error) {
	s := &Session{
		mode: m, ns: ns, logger: o.Logger,
		ready: make(chan struct{}), closed: make(chan struct{}), died: make(chan struct{}),
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if !m.HasHelper() {
		if len(o.Ports) > 0 {
			return nil, hint.New(fmt.Errorf("publish %s: %w: network %s has no ports to publish", o.Ports[0], ErrSyntax, m),
				"use --network=slirp4netns or --network=pasta, or leave out -p")
		}
		close(s.ready)
		return s, nil
	}
	program, err := s.check(o)
	if err != nil {
		return nil, err
	}
	go s.run(context.WithoutCancel(ctx), program, o)
	return s, nil
}

// check finds out what would go wrong for sure.
func (s *Session) check(o Options) (program string, err error) {
	if s.ns == nil || s.ns.File == nil {
		return "", errors.New("bug: network helper without a network namespace")
	}
	if program, err = findProgram(string(s.mode.Kind), o.ProgramDirs); err != nil {
		return "", err
	}
	return program, checkTun()
}

// run is the life of the session.
func (s *Session) run(ctx context.Context, program string, o Options) {
	begun, err := s.connect(ctx, program, o)
	if begun != nil {
		s.helper, s.keep = begun.helper, begun.keep
	}
	s.err = err
	close(s.ready)
	if err == nil {
		s.watch()
	}
}

// watch returns when the session is closed.
func (s *Session) watch() {
	if s.keep != nil {
		defer s.keep.Close()
	}
	select {
	case <-s.closed:
	case <-s.helper.done:
		s.logger.Error("network helper ended, the container has no network any more",
			slog.String("error", s.helper.ended().Error()))
		close(s.died)
		<-s.closed
	}
}

// connect brings everything up, or nothing.
func (s *Session) connect(ctx context.Context, program string, o Options) (*started, error) {
	if err := s.ns.Do(s.mode.prepare); err != nil {
		return nil, fmt.Errorf("prepare network: %w", err)
	}
	// The ports do not depend on the helper.
	ports := make(chan error, 1)
	go func() { ports <- s.publish(ctx, o) }()
	begun, err := s.begin(ctx, program, o)
	if err == nil {
		err = s.ns.Do(s.mode.finish)
	}
	err = errors.Join(err, <-ports)
	if err == nil {
		return begun, nil
	}
	if begun != nil {
		begun.helper.kill()
		if begun.keep != nil {
			begun.keep.Close()
		}
	}
	if s.ports != nil {
		s.ports.close()
		s.ports = nil
	}
	return nil, err
}

// begin starts the helper and waits until it works.
func (s *Session) begin(ctx context.Context, program string, o Options) (*started, error) {
	start := startSlirp4netns
	if s.mode.Kind == Pasta {
		start = startPasta
	}
	begun, err := start(ctx, jail{program: program, ns: s.ns.File, returns: o.Hold}, s.mode)
	if err != nil {
		return nil, err
	}
	defer begun.ready.Close()
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	go func() {
		select {
		case <-s.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := begun.helper.awaitReady(ctx, begun.ready); err != nil {
		return begun, err
	}
	return begun, begun.helper.awaitFilter(ctx)
}

func (s *Session) publish(ctx context.Context, o Options) (err error) {
	if len(o.Ports) > 0 {
		s.ports, err = newForwarder(ctx, s.ns, s.mode.Info(), o, s.logger)
	}
	return err
}

// Serve ends Options.Hold. It is for after Wait.
func (s *Session) Serve() error {
	<-s.ready
	if s.ports == nil {
		return nil
	}
	return s.ports.serve(s.ns)
}

// Wait returns when the network works and the helper is confined, or with the
// reason why it never will. The payload must not start before.
func (s *Session) Wait(ctx context.Context) error {
	select {
	case <-s.ready:
		return s.err
	case <-ctx.Done():
		return fmt.Errorf("wait for the network: %w", ctx.Err())
	}
}

// Died is closed when the helper ends although it is still wanted.
func (s *Session) Died() <-chan struct{} { return s.died }

// Err says how the helper ended. It is for after Died.
func (s *Session) Err() error {
	select {
	case <-s.died:
		return s.helper.ended()
	default:
		return nil
	}
}

// PID is the helper's, or 0. It is for after Wait.
func (s *Session) PID() int {
	<-s.ready
	if s.helper == nil {
		return 0
	}
	return s.helper.pid()
}

// Info is how the network looks from inside.
func (s *Session) Info() Info { return s.mode.Info() }

// Ports are the published ports, with the numbers that were chosen for those
// that had none. It is for after Wait.
func (s *Session) Ports() []Port {
	<-s.ready
	if s.ports == nil {
		return nil
	}
	return s.ports.published
}

// Close ends the helper and gives the ports back. It may be called twice.
func (s *Session) Close() error {
	s.once.Do(func() {
		close(s.closed)
		<-s.ready
		if s.ports != nil {
			s.ports.close()
		}
		if s.helper != nil {
			s.helper.kill()
		}
	})
	return nil
}
