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
	// Dir is a directory of the caller's, mode 0700, for a socket and a pipe;
	// what is made there is removed by Close. Its path should be short (a
	// socket's name has at most 107 bytes). Empty means a temporary one.
	Dir string
	// ProgramDirs are searched for the helpers; empty means the system's.
	ProgramDirs []string
	// Logger gets what goes wrong later; nil discards.
	Logger *slog.Logger
}

// Session is a running connection of one network namespace with the outside.
type Session struct {
	mode   Mode
	logger *slog.Logger
	begun  *started
	ready  chan struct{} // closed when readyErr is valid
	rErr   error
	closed chan struct{}
	once   sync.Once
}

// started is a helper process that has not said yet that it is ready.
type started struct {
	helper *helper
	ready  *os.File // readable when it is
	keep   *os.File // held open for as long as the helper shall live; may be nil
}

// Start connects the namespace as the mode says and returns at once: the
// helper gets ready while the caller goes on. Wait says how that went. Modes
// without a helper give a Session that does nothing.
func Start(ctx context.Context, ns *Netns, m Mode, o Options) (*Session, error) {
	s := &Session{mode: m, logger: o.Logger, ready: make(chan struct{}), closed: make(chan struct{})}
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
	if ns == nil || ns.File == nil {
		return nil, errors.New("bug: network helper without a network namespace")
	}
	program, err := findProgram(string(m.Kind), o.ProgramDirs)
	if err != nil {
		return nil, err
	}
	if err := checkTun(); err != nil {
		return nil, err
	}
	if s.begun, err = startSlirp4netns(ctx, program, ns.File, m, jail{}); err != nil {
		return nil, err
	}
	go s.becomeReady(context.WithoutCancel(ctx))
	go s.watch()
	return s, nil
}

func (s *Session) becomeReady(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	defer s.begun.ready.Close()
	s.rErr = s.begun.helper.awaitLine(ctx, s.begun.ready)
	close(s.ready)
}

// watch reports a helper that ends while it is still wanted.
func (s *Session) watch() {
	<-s.begun.helper.done
	<-s.ready
	select {
	case <-s.closed:
	default:
		if s.rErr == nil {
			s.logger.Error("network helper ended, the container has no network any more",
				slog.String("error", s.begun.helper.ended().Error()))
		}
	}
}

// Wait returns when the network works and the helper is confined, or with the
// reason why it never will. The payload must not start before.
func (s *Session) Wait(ctx context.Context) error {
	select {
	case <-s.ready:
		return s.rErr
	case <-ctx.Done():
		return fmt.Errorf("wait for the network: %w", ctx.Err())
	}
}

// Died is closed when the helper ends, for whatever reason; nil for a session
// without helper.
func (s *Session) Died() <-chan struct{} {
	if s.begun == nil {
		return nil
	}
	return s.begun.helper.done
}

// Err says how the helper ended. It is for after Died.
func (s *Session) Err() error {
	if s.begun == nil {
		return nil
	}
	select {
	case <-s.begun.helper.done:
		return s.begun.helper.ended()
	default:
		return nil
	}
}

// PID is the helper's, or 0.
func (s *Session) PID() int {
	if s.begun == nil {
		return 0
	}
	return s.begun.helper.cmd.Process.Pid
}

// Info is how the network looks from inside.
func (s *Session) Info() Info { return s.mode.Info() }

// Close ends the helper and gives the ports back. It may be called twice.
func (s *Session) Close() error {
	s.once.Do(func() {
		close(s.closed)
		if s.begun != nil {
			s.begun.helper.kill()
			if s.begun.keep != nil {
				s.begun.keep.Close()
			}
		}
	})
	return nil
}
