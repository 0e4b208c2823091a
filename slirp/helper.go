package slirp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/burrow-run/burrow/internal/sys"
)

// helper is slirp4netns or pasta, running for one container.
//
// It is tied to this process three times over: it gets SIGKILL when the thread
// that started it ends, slirp4netns also sees a pipe close, and Close kills it
// through the pidfd that os.Process holds, so that never a reused PID is hit.
type helper struct {
	name  string
	proc  *os.Process
	words *os.File // what it prints arrives here
	log   tail
	jobs  chan func()   // for the thread that it lives with
	done  chan struct{} // closed when the process has been reaped
	err   error         // why it ended; valid after done
}

// startHelper runs cmd, which is complete but for what confines it and for
// its ties to us. It returns as soon as the process exists.
//
// Pdeathsig fires when the starting *thread* ends, and the runtime ends
// threads as it likes. So the helper has a thread that starts it, waits for it
// and then goes away with it. What the jail does to that thread, the helper
// inherits.
func startHelper(cmd *exec.Cmd, j jail) (*helper, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer write.Close()
	h := &helper{name: cmd.Args[0], words: read, jobs: make(chan func()), done: make(chan struct{})}
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	cmd.Dir = "/"
	if cmd.Stdout == nil {
		cmd.Stdout = write
	}
	cmd.Stderr = write
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Pdeathsig: syscall.SIGKILL,
		Setsid:    true, // Ctrl-C is for the container
	}
	started := make(chan error, 1)
	sys.OnThread(func() bool {
		if err := j.enter(); err != nil {
			started <- fmt.Errorf("confine %s: %w", h.name, err)
			return false
		}
		err := cmd.Start()
		started <- err
		for err == nil {
			select {
			case job := <-h.jobs:
				job()
			case <-h.done:
				return false
			}
		}
		return false
	})
	if err := <-started; err != nil {
		read.Close()
		return nil, err
	}
	h.proc = cmd.Process
	go h.watch(cmd.Wait)
	return h, nil
}

// watch returns when the helper has ended. The wait itself is short: the thread that it
// takes is not kept for it.
func (h *helper) watch(wait func() error) {
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = h.log.ReadFrom(h.words)
	}()
	pidfd, err := sys.OpenPidfd(h.pid())
	if err == nil {
		_ = sys.AwaitEnd(pidfd)
		pidfd.Close()
	}
	h.err = wait()
	select {
	case <-read:
	case <-time.After(time.Second): // somebody else has it too
	}
	h.words.Close()
	close(h.done)
}

func (h *helper) pid() int { return h.proc.Pid }

// kill ends the helper and waits until it is gone, which takes 0.4 ms.
func (h *helper) kill() {
	_ = h.proc.Kill() // ErrProcessDone is what we want
	<-h.done
}

var errNonsense = errors.New("not what it says when it is ready")

// awaitReady waits for the helper to write a digit to r, which is how it says
// that the network works.
func (h *helper) awaitReady(ctx context.Context, r *os.File) error {
	got := make(chan error, 1)
	go func() {
		var b [1]byte
		_, err := io.ReadFull(r, b[:])
		if err == nil && (b[0] < '0' || b[0] > '9') {
			err = errNonsense
		}
		got <- err
	}()
	select {
	case err := <-got:
		if err == nil {
			return nil
		}
		if errors.Is(err, errNonsense) {
			return fmt.Errorf("%s: %w", h.name, err)
		}
		select { // it closed the pipe: it is about to end
		case <-h.done:
		case <-time.After(time.Second):
			h.kill()
		}
		return h.ended()
	case <-h.done:
		return h.ended()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// awaitFilter waits until the helper has loaded its seccomp filter. pasta does
// so a moment after it has said that it is ready.
func (h *helper) awaitFilter(ctx context.Context) error {
	status := fmt.Sprintf("/proc/%d/status", h.pid())
	for {
		b, err := os.ReadFile(status)
		if err == nil && bytes.Contains(b, []byte("\nSeccomp:\t2\n")) {
			return nil
		}
		select {
		case <-h.done:
			return h.ended()
		case <-ctx.Done():
			return fmt.Errorf("wait for the seccomp filter of %s: %w", h.name, ctx.Err())
		case <-time.After(200 * time.Microsecond):
		}
	}
}

// ended is the error for a helper that has gone, with its last words.
func (h *helper) ended() error {
	how := "exit status 0"
	var exit *exec.ExitError
	if errors.As(h.err, &exit) {
		how = exit.String()
	} else if h.err != nil {
		how = h.err.Error()
	}
	if words := h.log.String(); words != "" {
		how += ": " + words
	}
	return fmt.Errorf("%w: %s: %s", ErrHelperDied, h.name, how)
}

// tail remembers the last bytes written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 1024

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if n := len(t.buf); n > tailSize {
		t.buf = append(t.buf[:0], t.buf[n-tailSize:]...)
	}
	return len(p), nil
}

// ReadFrom is Write for io.Copy, which would take a buffer of its own, 32 times as
// large, for as long as the helper lives.
func (t *tail) ReadFrom(r io.Reader) (n int64, err error) {
	buf := make([]byte, tailSize)
	for {
		k, err := r.Read(buf)
		_, _ = t.Write(buf[:k])
		n += int64(k)
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

// String is the last few lines on one line, without control characters: the
// helper talks to untrusted peers.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.buf)), "\n")
	text := strings.Join(lines[max(0, len(lines)-3):], "; ")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text)
}
