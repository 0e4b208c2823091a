package engine

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/ctrlog"
	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
)

// supervised connects a container with its log and with whoever is attached,
// in place of the caller's own terminal.
type supervised struct {
	hub      *hub
	client   net.Conn          // who is attached from the first byte on, until greet; may be nil
	listener *net.UnixListener // for others
	log      logWriter         // nil: --log-driver=none or passthrough
	ends     []*os.File        // the container's ends of the pipes, closed once it has them
	stdin    *os.File          // ours of the first; nil: nothing can be typed
	pipes    map[ctrlog.Stream]*os.File
	console  *os.File // nil: the container has no terminal
	copied   sync.WaitGroup
	// writing counts the streams whose output somebody is being waited for to take.
	writing atomic.Int32
}

func newSupervised(client net.Conn) *supervised {
	return &supervised{hub: newHub(), client: client, pipes: map[ctrlog.Stream]*os.File{}}
}

// wire gives the container its standard streams. Who attaches has to wait for serve.
func (s *supervised) wire(r *run) (err error) {
	if s.listener, err = openOwn(attachSocket(r.opts.Dirs, r.id)); err != nil {
		return err
	}
	r.later(func() { s.listener.Close() })
	if r.spec.Stdio.TTY {
		return nil // the container makes its terminal itself
	}
	if r.spec.Log.Driver == spec.LogPassthrough {
		r.config.Stdin, r.config.Stdout, r.config.Stderr = r.opts.Stdin, r.opts.Stdout, r.opts.Stderr
		return nil
	}
	for _, stream := range []ctrlog.Stream{ctrlog.Stdout, ctrlog.Stderr} {
		read, write, err := os.Pipe()
		if err != nil {
			return err
		}
		s.pipes[stream], s.ends = read, append(s.ends, write)
	}
	r.config.Stdout, r.config.Stderr = s.ends[0], s.ends[1]
	var stdin *os.File
	if r.spec.Stdio.Interactive {
		if stdin, s.stdin, err = os.Pipe(); err != nil {
			return err
		}
	} else if stdin, err = os.OpenFile(os.DevNull, os.O_RDONLY, 0); err != nil {
		return err
	}
	s.ends = append(s.ends, stdin)
	r.config.Stdin = stdin
	return nil
}

// attach takes what the container has, for serve. The session it returns has no
// terminal of its own.
func (s *supervised) attach(c *launch.Container) *session {
	for _, f := range s.ends {
		f.Close()
	}
	s.console = c.Console
	return s.session()
}

func (s *supervised) session() *session {
	return &session{copied: make(chan struct{}), left: make(chan struct{}), writing: &s.writing}
}

// serve starts the copying, and lets everybody attach.
func (s *supervised) serve(session *session) {
	s.greet()
	switch {
	case s.console != nil:
		s.hub.connect(s.console, func(rows, cols uint16) {
			_ = unix.IoctlSetWinsize(int(s.console.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
		})
		s.copy(ctrlog.Stdout, frameStdout, s.console)
	default:
		var stdin io.WriteCloser
		if s.stdin != nil {
			stdin = s.stdin
		}
		s.hub.connect(stdin, nil)
		if len(s.pipes) > 0 {
			s.copy(ctrlog.Stdout, frameStdout, s.pipes[ctrlog.Stdout])
			s.copy(ctrlog.Stderr, frameStderr, s.pipes[ctrlog.Stderr])
		}
	}
	go serveOwn(s.listener, func(conn net.Conn) { s.hub.add(conn, false) })
	go func() {
		s.copied.Wait()
		close(session.copied)
	}()
}

// greet attaches the first client, before anything is copied.
func (s *supervised) greet() {
	if s.client != nil {
		s.hub.add(s.client, true)
		s.client = nil
	}
}

func (s *supervised) copy(stream ctrlog.Stream, kind frameKind, from *os.File) {
	s.copied.Go(func() {
		for {
			err := readReady(from, func(b []byte) {
				s.writing.Add(1)
				if s.log != nil {
					_ = s.log.Write(stream, b) // a full disk must not stop the payload
				}
				s.hub.output(kind, b)
				s.writing.Add(-1)
			})
			if err != nil {
				return // EOF, or EIO from a terminal whose last user is gone
			}
		}
	})
}
