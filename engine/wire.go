package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// The attach protocol: frames over a Unix stream socket, one socket per
// supervised container, mode 0600 in a directory of the user's.
//
//	client ──► supervisor   input, inputEnd, resize
//	client ◄── supervisor   output on stdout or stderr; exited, the last frame
//
// A frame is its kind, one byte, the length of its payload, four bytes, little
// endian, and the payload.
type frameKind byte

const (
	frameInput    frameKind = iota // bytes for the payload's stdin
	frameInputEnd                  // the caller's stdin has ended
	frameResize                    // rows and columns, two bytes each
	frameStdout                    // bytes that were printed
	frameStderr
	frameExited // wait status of the first process, four bytes
)

// maxFrame bounds what one side makes the other allocate.
const maxFrame = 1 << 20

var errFrame = errors.New("attach: frame is too long")

func writeFrame(w io.Writer, kind frameKind, payload []byte) error {
	head := [5]byte{byte(kind)}
	binary.LittleEndian.PutUint32(head[1:], uint32(len(payload)))
	_, err := w.Write(append(head[:], payload...))
	return err
}

func readFrame(r io.Reader) (frameKind, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.LittleEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, errFrame
	}
	payload := make([]byte, n)
	_, err := io.ReadFull(r, payload)
	return frameKind(head[0]), payload, err
}

// hub passes what a container prints to everybody who is attached, and what
// they type to the container.
type hub struct {
	mu      sync.Mutex
	clients map[*client]struct{}
	closed  bool
	exit    []byte // payload of the exited frame, for those who come late

	stdin  io.WriteCloser          // nil: the container has none
	resize func(rows, cols uint16) // nil: the container has no terminal
}

// client is one connection. Its queue is bounded: who does not read is dropped
// rather than waited for, so that one stopped terminal does not stop a service.
type client struct {
	conn  net.Conn
	queue chan frame
}

type frame struct {
	kind    frameKind
	payload []byte
}

const queueLength = 1024

func newHub() *hub { return &hub{clients: map[*client]struct{}{}} }

// add serves one connection from now on.
func (h *hub) add(conn net.Conn) {
	c := &client{conn: conn, queue: make(chan frame, queueLength)}
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		_ = writeFrame(conn, frameExited, h.exit)
		conn.Close()
		return
	}
	h.clients[c] = struct{}{}
	h.mu.Unlock()
	go h.send(c)
	go h.receive(c)
}

func (h *hub) send(c *client) {
	defer c.conn.Close()
	for f := range c.queue {
		if err := writeFrame(c.conn, f.kind, f.payload); err != nil {
			h.drop(c)
			for range c.queue { //nolint:revive // drained until drop closes it
			}
			return
		}
	}
}

func (h *hub) drop(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.clients[c]; ok {
		delete(h.clients, c)
		close(c.queue)
	}
}

func (h *hub) receive(c *client) {
	defer h.drop(c)
	for {
		kind, payload, err := readFrame(c.conn)
		if err != nil {
			return
		}
		h.input(kind, payload)
	}
}

func (h *hub) input(kind frameKind, payload []byte) {
	switch kind {
	case frameInput:
		if h.stdin != nil {
			_, _ = h.stdin.Write(payload) // a container that does not read blocks only its typist
		}
	case frameInputEnd:
		if h.stdin != nil {
			_ = h.stdin.Close()
		}
	case frameResize:
		if h.resize != nil && len(payload) == 4 {
			h.resize(binary.LittleEndian.Uint16(payload), binary.LittleEndian.Uint16(payload[2:]))
		}
	case frameStdout, frameStderr, frameExited:
		// not for us
	}
}

// output passes on what was printed.
func (h *hub) output(kind frameKind, p []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.clients) == 0 {
		return
	}
	f := frame{kind, append([]byte(nil), p...)}
	for c := range h.clients {
		select {
		case c.queue <- f:
		default:
			delete(h.clients, c)
			close(c.queue)
			c.conn.Close()
		}
	}
}

// end tells everybody how the container ended and lets them go.
func (h *hub) end(status uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	h.exit = binary.LittleEndian.AppendUint32(nil, status)
	for c := range h.clients {
		select {
		case c.queue <- frame{frameExited, h.exit}:
		default:
		}
		close(c.queue)
		delete(h.clients, c)
	}
}

// listen serves the container's attach socket until the returned function is
// called. Only processes of the same user are let in: the directory's mode says
// so, and SO_PEERCRED once more.
func (h *hub) listen(path string) (stop func(), err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("attach socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	go func() {
		for {
			conn, err := l.AcceptUnix()
			if err != nil {
				return
			}
			if !sameUser(conn) {
				conn.Close()
				continue
			}
			h.add(conn)
		}
	}()
	return func() { l.Close() }, nil
}

func sameUser(conn *net.UnixConn) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var cred *unix.Ucred
	var credErr error
	err = raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	return err == nil && credErr == nil && int(cred.Uid) == os.Geteuid()
}
