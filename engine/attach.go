package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/internal/hint"
)

// stdio decides which descriptors the payload gets. Without a terminal it gets
// the caller's own: no copying, and a closed pipe is a closed pipe.
func (r *run) stdio() error {
	io := r.spec.Stdio
	if r.sup != nil {
		return r.sup.wire(r)
	}
	if io.TTY {
		if w, h, err := term.GetSize(int(r.opts.Stdout.Fd())); err == nil {
			r.config.Width, r.config.Height = uint16(w), uint16(h)
		}
		return r.preserved()
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	r.later(func() { null.Close() })
	pick := func(want bool, f *os.File) *os.File {
		if want && f != nil {
			return f
		}
		return null
	}
	r.config.Stdin = pick(io.Interactive || io.Attach.Stdin, r.opts.Stdin)
	r.config.Stdout = pick(io.Attach.Stdout && r.spec.Log.Driver != "none", r.opts.Stdout)
	r.config.Stderr = pick(io.Attach.Stderr && r.spec.Log.Driver != "none", r.opts.Stderr)
	return r.preserved()
}

// preserved hands further descriptors in, under the numbers that they have
// here. Only what the caller has opened counts: everything of our own is closed
// by execve(2), and must not get into a container (CVE-2024-21626).
func (r *run) preserved() error {
	for _, fd := range r.spec.Stdio.PreserveFDs {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			return hint.New(fmt.Errorf("descriptor %d, which is to be preserved, is not open", fd),
				fmt.Sprintf("open it in the shell: %d<FILE", fd))
		}
		for len(r.config.PreserveFDs) < fd-3 {
			r.config.PreserveFDs = append(r.config.PreserveFDs, nil)
		}
		r.config.PreserveFDs = append(r.config.PreserveFDs, os.NewFile(uintptr(fd), "preserved"))
	}
	return nil
}

// session is the caller's side of the container's terminal, if it has one.
type session struct {
	console *os.File
	in, out *os.File
	saved   *term.State
	copied  chan struct{} // closed when all output has arrived
	left    chan struct{} // closed when the user typed the detach keys
	writing *atomic.Int32 // see supervised; nil: nobody is waited for
}

// attach connects the container's terminal with the caller's.
func (r *run) attach(c *launch.Container) (*session, error) {
	if r.sup != nil {
		return r.sup.attach(c), nil
	}
	s := &session{console: c.Console, in: r.opts.Stdin, out: r.opts.Stdout, copied: make(chan struct{}), left: make(chan struct{})}
	if c.Console == nil {
		close(s.copied)
		return s, nil
	}
	if s.in != nil && r.spec.Stdio.Interactive && term.IsTerminal(int(s.in.Fd())) {
		state, err := term.MakeRaw(int(s.in.Fd()))
		if err != nil {
			return nil, err
		}
		s.saved = state
	}
	s.resize()
	go func() {
		defer close(s.copied)
		_, _ = io.Copy(s.out, s.console) // ends with EIO when the last user of the terminal is gone
	}()
	if r.spec.Stdio.Interactive && s.in != nil {
		go s.forwardInput(r.spec.Stdio.DetachKeys)
	}
	return s, nil
}

// forwardInput copies what the user types. On a pipe, its end is passed on as
// the terminal's end-of-file character.
func (s *session) forwardInput(detach []byte) {
	in := io.Reader(s.in)
	if len(detach) > 0 && s.saved != nil {
		in = &detachReader{in: s.in, keys: detach}
	}
	_, err := io.Copy(s.console, in)
	if errors.Is(err, errDetached) {
		close(s.left)
		return
	}
	if err == nil && s.saved == nil {
		_, _ = s.console.Write([]byte{4}) // ^D
	}
}

// resize gives the container's terminal the size of the caller's.
func (s *session) resize() {
	if s.console == nil || s.out == nil {
		return
	}
	size, err := unix.IoctlGetWinsize(int(s.out.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return // the caller's is no terminal
	}
	_ = unix.IoctlSetWinsize(int(s.console.Fd()), unix.TIOCSWINSZ, size)
}

// restore gives the caller's terminal back as it was.
func (s *session) restore() {
	if s.saved != nil {
		_ = term.Restore(int(s.in.Fd()), s.saved)
		s.saved = nil
	}
	if s.console != nil {
		s.console.Close()
	}
}

// drainPatience is how long a log or a reader that is behind has to take the
// last output.
const drainPatience = time.Minute

// drain waits until the last output has been copied. A process that outlived
// the first one and keeps its output open is not waited for; a log that is behind is.
func (s *session) drain() {
	for deadline := time.Now().Add(drainPatience); ; {
		select {
		case <-s.copied:
			return
		case <-time.After(2 * time.Second):
		}
		if s.writing == nil || s.writing.Load() == 0 || time.Now().After(deadline) {
			return
		}
	}
}

var errDetached = errors.New("detached")

// detachReader ends with errDetached when the keys are typed one after another.
// Keys that turn out not to be the sequence are delivered after all.
type detachReader struct {
	in    io.Reader
	keys  []byte
	held  int    // how many of the keys have been seen
	ready []byte // to be delivered
	err   error
}

func (d *detachReader) Read(p []byte) (int, error) {
	for len(d.ready) == 0 && d.err == nil {
		d.fill()
	}
	n := copy(p, d.ready)
	d.ready = d.ready[n:]
	if n > 0 {
		return n, nil
	}
	return 0, d.err
}

func (d *detachReader) fill() {
	buf := make([]byte, 4096)
	n, err := d.in.Read(buf)
	for _, b := range buf[:n] {
		seen := append(slices.Clone(d.keys[:d.held]), b)
		// What cannot be the beginning of the keys any more was typed for the container.
		for !bytes.HasPrefix(d.keys, seen) {
			d.ready = append(d.ready, seen[0])
			seen = seen[1:]
		}
		if d.held = len(seen); d.held == len(d.keys) {
			d.err = errDetached
			return
		}
	}
	if err != nil {
		d.ready = append(d.ready, d.keys[:d.held]...)
		d.err = err
	}
}

// listen begins to take the signals that are forwarded. From when what it returns is
// called on they are the payload's: before it runs, so that none is lost. What comes at
// once, wait finds.
func (r *run) listen() (hear func()) {
	if r.opts.Signals == nil {
		return func() {}
	}
	take := r.opts.Signals()
	return func() { r.signals = take() }
}

// wait forwards signals until the container's first process has ended.
func (r *run) wait(ctx context.Context, c *launch.Container, s *session) (Exit, error) {
	type result struct {
		status syscall.WaitStatus
		err    error
	}
	done := make(chan result, 1)
	go func() {
		status, err := c.Wait()
		done <- result{status, err}
	}()
	var deadline <-chan time.Time
	if t := r.spec.Timeout; t > 0 {
		timer := time.NewTimer(t)
		defer timer.Stop()
		deadline = timer.C
	}
	exit := Exit{ID: r.id}
	cancelled, left := ctx.Done(), s.left
	for {
		select {
		case res := <-done:
			s.drain()
			exit.Status = res.status
			return exit, res.err
		case sig := <-r.signals:
			r.forward(c, s, sig)
		case <-left:
			// There is nobody to hand the container to: it ends with its caller.
			s.restore()
			if c.Joined() {
				r.warn("detached: what exec has started ends with it; exec -d leaves it running")
			} else {
				r.warn("detached: a foreground container ends with its command")
			}
			_ = c.Signal(syscall.SIGKILL)
			left = nil
		case <-deadline:
			exit.TimedOut = true
			c.Kill()
			deadline = nil
		case <-cancelled:
			c.Kill()
			cancelled = nil
		}
	}
}

// forward passes a signal on to the payload. The kernel discards one that the
// first process of a pid namespace has no handler for (pid_namespaces(7)).
func (r *run) forward(c *launch.Container, s *session, sig os.Signal) {
	if sig == syscall.SIGWINCH {
		s.resize()
		return
	}
	if r.sup != nil { // its supervisor is to end, and the container with it
		r.recall()
		_ = c.Signal(r.record.stopSignal())
		return
	}
	if number, ok := sig.(syscall.Signal); ok && r.spec.Stdio.SigProxy {
		_ = c.Signal(number)
	}
}
