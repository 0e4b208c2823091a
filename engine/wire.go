package engine

import (
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"sync"
	"time"
)

// The attach protocol: frames over a Unix stream socket, one socket per
// supervised container, mode 0600 in a directory of the user's.
//
//	client ──► supervisor   input, inputEnd, resize; start, of an initialized container
//	client ◄── supervisor   output on stdout or stderr; started, the answer to start;
//	                        exited, the last frame
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
	frameExited  // wait status of the first process, four bytes
	frameStart   // the payload shall run
	frameStarted // it does, or why not, in words of SuperviseOptions.Released
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
	exit    []byte         // payload of the exited frame, for those who come late
	sending sync.WaitGroup // clients that have not got everything yet

	ready    chan struct{} // closed by connect: what is typed before has to wait
	released chan struct{} // closed when somebody has asked for the payload to run
	asking   []*client     // who has
	judged   bool          // run was called
	verdict  []byte        // why the payload will never run

	stdin  io.WriteCloser          // nil: the container has none
	resize func(rows, cols uint16) // nil: the container has no terminal
}

// client is one connection. Its queue is bounded. Who has attached later and
// does not read is dropped, so that one stopped terminal does not stop a service;
// the command that the container was started by is waited for, as its terminal
// itself would be.
type client struct {
	conn    net.Conn
	queue   chan frame
	patient bool
	gone    chan struct{} // closed when it is dropped
}

type frame struct {
	kind    frameKind
	payload []byte
}

const queueLength = 64

func newHub() *hub {
	return &hub{
		clients: map[*client]struct{}{},
		ready:   make(chan struct{}), released: make(chan struct{}),
	}
}

// add serves one connection from now on.
func (h *hub) add(conn net.Conn, patient bool) {
	c := &client{conn: conn, queue: make(chan frame, queueLength), patient: patient, gone: make(chan struct{})}
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		_ = writeFrame(conn, frameExited, h.exit)
		conn.Close()
		return
	}
	h.clients[c] = struct{}{}
	h.sending.Add(1)
	h.mu.Unlock()
	go h.send(c)
	go h.receive(c)
}

// send ends with the exited frame, or when the client is gone.
func (h *hub) send(c *client) {
	defer h.sending.Done()
	defer h.drop(c)
	for {
		select {
		case <-c.gone:
			return
		case f := <-c.queue:
			if writeFrame(c.conn, f.kind, f.payload) != nil || f.kind == frameExited {
				return
			}
		}
	}
}

// drop forgets a client. Closing the connection ends a write to it.
func (h *hub) drop(c *client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.clients[c]; ok {
		delete(h.clients, c)
		close(c.gone)
		c.conn.Close()
	}
}

func (h *hub) receive(c *client) {
	defer h.drop(c)
	for {
		kind, payload, err := readFrame(c.conn)
		if err != nil {
			return
		}
		if kind == frameStart {
			h.release(c)
			continue
		}
		select {
		case <-h.ready:
			h.input(kind, payload)
		case <-c.gone:
			return
		}
	}
}

// release lets the payload of an initialized container run; once is enough. The
// client is told how that went.
func (h *hub) release(c *client) {
	h.mu.Lock()
	if h.judged {
		h.mu.Unlock()
		h.deliver(c, frame{frameStarted, h.verdict})
		return
	}
	if len(h.asking) == 0 {
		close(h.released)
	}
	h.asking = append(h.asking, c)
	h.mu.Unlock()
}

// run says that the payload runs, or why it never will. Only the first word counts.
func (h *hub) run(verdict []byte) {
	h.mu.Lock()
	asking := h.asking
	if h.judged {
		asking = nil
	} else {
		h.judged, h.verdict = true, verdict
	}
	h.mu.Unlock()
	for _, c := range asking {
		h.deliver(c, frame{frameStarted, verdict})
	}
}

// connect gives the clients a container to type to, once.
func (h *hub) connect(stdin io.WriteCloser, resize func(rows, cols uint16)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.stdin, h.resize = stdin, resize
	close(h.ready)
}

func (h *hub) input(kind frameKind, payload []byte) {
	h.mu.Lock()
	stdin, resize := h.stdin, h.resize
	h.mu.Unlock()
	switch kind {
	case frameInput:
		if stdin != nil {
			_, _ = stdin.Write(payload) // a container that does not read blocks only its typist
		}
	case frameInputEnd:
		if stdin != nil {
			_ = stdin.Close()
		}
	case frameResize:
		if resize != nil && len(payload) == 4 {
			resize(binary.LittleEndian.Uint16(payload), binary.LittleEndian.Uint16(payload[2:]))
		}
	case frameStdout, frameStderr, frameExited, frameStart, frameStarted:
		// not for the container
	}
}

// attached are the clients of this moment.
func (h *hub) attached() []*client {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.clients))
}

// output passes on what was printed.
func (h *hub) output(kind frameKind, p []byte) {
	clients := h.attached()
	if len(clients) == 0 {
		return
	}
	f := frame{kind, append([]byte(nil), p...)}
	for _, c := range clients {
		if !h.deliver(c, f) {
			h.drop(c)
		}
	}
}

// deliver queues a frame; false says that the client is too slow.
func (h *hub) deliver(c *client, f frame) bool {
	select {
	case c.queue <- f:
		return true
	default:
	}
	if !c.patient {
		return false
	}
	select {
	case c.queue <- f:
	case <-c.gone:
	}
	return true
}

// lastWords is how long somebody who is attached has to take what is left.
const lastWords = 10 * time.Second

// end tells everybody how the container ended and returns when they have got it.
func (h *hub) end(status uint32) {
	h.mu.Lock()
	h.closed = true
	h.exit = binary.LittleEndian.AppendUint32(nil, status)
	h.mu.Unlock()
	for _, c := range h.attached() {
		go func() {
			select {
			case c.queue <- frame{frameExited, h.exit}:
			case <-c.gone:
			}
		}()
	}
	taken := make(chan struct{})
	go func() {
		h.sending.Wait()
		close(taken)
	}()
	select {
	case <-taken:
	case <-time.After(lastWords):
	}
}
