package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/burrow-run/burrow/engine/spec"
)

// ServeOptions say what a client of a supervised container is connected with.
type ServeOptions struct {
	In, Out, Err *os.File
	Stdio        spec.Stdio // Interactive, DetachKeys, SigProxy
	TTY          bool       // the container has a terminal
	Signals      <-chan os.Signal
}

// Serve connects the caller's terminal or streams with a supervised container
// until it ends or the user types the detach keys.
func Serve(ctx context.Context, conn net.Conn, rec Record, o ServeOptions) (Exit, error) {
	c := &serving{conn: conn, rec: rec, opts: o, ended: make(chan result, 1), left: make(chan struct{})}
	if o.TTY && o.Stdio.Interactive && term.IsTerminal(int(o.In.Fd())) {
		state, err := term.MakeRaw(int(o.In.Fd()))
		if err != nil {
			return Exit{ID: rec.ID}, err
		}
		defer func() { _ = term.Restore(int(o.In.Fd()), state) }()
		c.raw = true
	}
	if o.TTY {
		c.resize()
	}
	go c.output()
	if o.Stdio.Interactive {
		go c.input()
	}
	for {
		select {
		case r := <-c.ended:
			return Exit{ID: rec.ID, Status: r.status}, r.err
		case <-c.left:
			return Exit{ID: rec.ID, Detached: true}, nil
		case <-ctx.Done():
			return Exit{ID: rec.ID}, ctx.Err()
		case sig := <-o.Signals:
			c.signal(sig)
		}
	}
}

type result struct {
	status syscall.WaitStatus
	err    error
}

type serving struct {
	conn  net.Conn
	rec   Record
	opts  ServeOptions
	raw   bool
	ended chan result
	left  chan struct{}
	write sync.Mutex
}

func (c *serving) frame(kind frameKind, payload []byte) error {
	c.write.Lock()
	defer c.write.Unlock()
	return writeFrame(c.conn, kind, payload)
}

func (c *serving) output() {
	for {
		kind, payload, err := readFrame(c.conn)
		if err != nil {
			c.ended <- result{err: fmt.Errorf("connection to the container's supervisor: %w", err)}
			return
		}
		switch kind {
		case frameStdout:
			_, _ = c.opts.Out.Write(payload)
		case frameStderr:
			_, _ = c.opts.Err.Write(payload)
		case frameExited:
			if len(payload) != 4 {
				c.ended <- result{err: errFrame}
				return
			}
			c.ended <- result{status: syscall.WaitStatus(binary.LittleEndian.Uint32(payload))}
			return
		case frameInput, frameInputEnd, frameResize, frameStart, frameStarted:
			// never sent to a client
		}
	}
}

// input copies what the caller types. The end of a pipe is passed on; on a
// terminal it becomes the terminal's own end-of-file character.
func (c *serving) input() {
	in := io.Reader(c.opts.In)
	if keys := c.opts.Stdio.DetachKeys; len(keys) > 0 && c.raw {
		in = &detachReader{in: c.opts.In, keys: keys}
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := in.Read(buf)
		if n > 0 && c.frame(frameInput, buf[:n]) != nil {
			return
		}
		switch {
		case errors.Is(err, errDetached):
			close(c.left)
			return
		case err != nil && c.opts.TTY:
			_ = c.frame(frameInput, []byte{4})
			return
		case err != nil:
			_ = c.frame(frameInputEnd, nil)
			return
		}
	}
}

func (c *serving) resize() {
	size, err := unix.IoctlGetWinsize(int(c.opts.Out.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return
	}
	payload := binary.LittleEndian.AppendUint16(nil, size.Row)
	_ = c.frame(frameResize, binary.LittleEndian.AppendUint16(payload, size.Col))
}

func (c *serving) signal(sig os.Signal) {
	if sig == syscall.SIGWINCH {
		if c.opts.TTY {
			c.resize()
		}
		return
	}
	if number, ok := sig.(syscall.Signal); ok && c.opts.Stdio.SigProxy {
		_ = c.rec.refreshed().signal(number)
	}
}
