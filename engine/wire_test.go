package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

// pair are the two ends of a connection as a supervisor and its client have it.
func pair(t testing.TB) (supervisor, client net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	must(t, err)
	conn := func(fd int) net.Conn {
		f := os.NewFile(uintptr(fd), "pair")
		defer f.Close()
		c, err := net.FileConn(f)
		must(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	return conn(fds[0]), conn(fds[1])
}

func TestFrames(t *testing.T) {
	var buf bytes.Buffer
	must(t, writeFrame(&buf, frameStdout, []byte("abc")))
	must(t, writeFrame(&buf, frameInputEnd, nil))
	for _, want := range []frame{{frameStdout, []byte("abc")}, {frameInputEnd, nil}} {
		kind, payload, err := readFrame(&buf)
		if kind != want.kind || !bytes.Equal(payload, want.payload) || err != nil {
			t.Errorf("%d %q %v", kind, payload, err)
		}
	}
	if _, _, err := readFrame(&buf); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	head := binary.LittleEndian.AppendUint32([]byte{byte(frameInput)}, maxFrame+1)
	if _, _, err := readFrame(bytes.NewReader(head)); !errors.Is(err, errFrame) {
		t.Errorf("a frame of %d bytes: %v", maxFrame+1, err)
	}
	if _, _, err := readFrame(strings.NewReader("\x00\x05\x00\x00\x00ab")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half a frame: %v", err)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x03\x03\x00\x00\x00abc"))
	f.Add([]byte("\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		kind, payload, err := readFrame(bytes.NewReader(in))
		if err != nil {
			return
		}
		var out bytes.Buffer
		must(t, writeFrame(&out, kind, payload))
		if !bytes.HasPrefix(in, out.Bytes()) {
			t.Errorf("%q became %q", in, out.Bytes())
		}
	})
}

// take reads frames until the container's end and returns what was printed.
func take(conn net.Conn) (out string, status uint32, err error) {
	var all bytes.Buffer
	for {
		kind, payload, err := readFrame(conn)
		if err != nil {
			return all.String(), 0, err
		}
		if kind == frameExited {
			return all.String(), binary.LittleEndian.Uint32(payload), nil
		}
		all.Write(payload)
	}
}

// Nothing of what was printed is lost, however slow the terminal is.
func TestHubWaitsForItsFirstClient(t *testing.T) {
	h := newHub()
	theirs, ours := pair(t)
	h.add(theirs, true)
	const chunk, count = 16 << 10, 1000
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for range count {
			h.output(frameStdout, bytes.Repeat([]byte("x"), chunk))
		}
		h.end(3 << 8)
	}()
	time.Sleep(50 * time.Millisecond)
	select {
	case <-ended:
		t.Fatal("16 MB are in no socket's buffer: somebody keeps them in memory")
	default:
	}
	out, status, err := take(ours)
	if len(out) != chunk*count || status != 3<<8 || err != nil {
		t.Errorf("%d bytes, status %#x, %v", len(out), status, err)
	}
	<-ended
}

// The process ends with the last word: it must have been heard.
func TestHubIsHeardOut(t *testing.T) {
	h := newHub()
	theirs, ours := pair(t)
	h.add(theirs, false)
	const chunk, count = 16 << 10, queueLength / 2
	for range count {
		h.output(frameStdout, bytes.Repeat([]byte("x"), chunk))
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.end(0)
	}()
	select {
	case <-ended:
		t.Error("ended before anybody has read")
	case <-time.After(50 * time.Millisecond):
	}
	if out, _, err := take(ours); len(out) != chunk*count || err != nil {
		t.Errorf("%d bytes, %v", len(out), err)
	}
	<-ended
}

// Who attached later and does not read must not stop the container.
func TestHubDropsTheSlow(t *testing.T) {
	h := newHub()
	theirs, slow := pair(t)
	h.add(theirs, false)
	theirs2, quick := pair(t)
	h.add(theirs2, true)
	var out string
	var wg sync.WaitGroup
	wg.Go(func() { out, _, _ = take(quick) })
	for range 500 {
		h.output(frameStderr, bytes.Repeat([]byte("y"), 16<<10))
	}
	h.end(0)
	wg.Wait()
	if len(out) != 500*16<<10 {
		t.Errorf("the quick one got %d bytes", len(out))
	}
	if _, _, err := take(slow); err == nil {
		t.Error("the slow one was not dropped")
	}
	if len(h.attached()) != 0 {
		t.Error("clients are left")
	}
}

func TestHubGoesOnWithoutItsClients(t *testing.T) {
	h := newHub()
	theirs, ours := pair(t)
	h.add(theirs, true)
	ours.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 1000 {
			h.output(frameStdout, make([]byte, 16<<10))
		}
		h.end(0)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("waits for somebody who has left")
	}
	// Who comes late hears how it ended.
	theirs, ours = pair(t)
	go h.add(theirs, false)
	if _, status, err := take(ours); status != 0 || err != nil {
		t.Error(status, err)
	}
}

type closing struct {
	bytes.Buffer
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestHubPassesInput(t *testing.T) {
	h := newHub()
	h.input(frameInput, []byte("lost")) // nobody to type to: no harm
	h.input(frameInputEnd, nil)
	h.input(frameResize, []byte{1, 0, 2, 0})
	in, rows, cols := &closing{}, uint16(0), uint16(0)
	h.connect(in, func(r, c uint16) { rows, cols = r, c })
	h.input(frameInput, []byte("typed"))
	h.input(frameResize, []byte{24, 0, 80, 0})
	h.input(frameResize, []byte{1})
	h.input(frameExited, []byte{1, 2, 3, 4})
	if in.String() != "typed" || rows != 24 || cols != 80 || in.closed {
		t.Errorf("%q %dx%d %v", in.String(), rows, cols, in.closed)
	}
	h.input(frameInputEnd, nil)
	if !in.closed {
		t.Error("the end is not passed on")
	}
	theirs, ours := pair(t)
	h.add(theirs, false)
	must(t, writeFrame(ours, frameInput, []byte("!")))
	_, err := ours.Write(binary.LittleEndian.AppendUint32([]byte{0}, maxFrame+1)) // a hostile client
	must(t, err)
	waitFor(t, "the client to be dropped", func() bool { return len(h.attached()) == 0 })
	if in.String() != "typed!" {
		t.Errorf("%q", in.String())
	}
}

func TestHubListens(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	must(t, os.WriteFile(path, nil, 0o600)) // of a supervisor that was killed
	h := newHub()
	stop, err := listenOwn(path, func(conn net.Conn) { h.add(conn, false) })
	must(t, err)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	conn, err := net.Dial("unix", path)
	must(t, err)
	defer conn.Close()
	waitFor(t, "the client", func() bool { return len(h.attached()) == 1 })
	h.output(frameStdout, []byte("hello"))
	go h.end(0)
	if out, _, err := take(conn); out != "hello" || err != nil {
		t.Errorf("%q %v", out, err)
	}
	stop()
	if exists(path) {
		t.Error("the socket stays")
	}
	if _, err := openOwn("/nosuch/dir/s"); err == nil {
		t.Error("listens nowhere")
	}
}

// served runs Serve with a supervisor's end to talk to.
func served(t *testing.T, o ServeOptions, script func(conn net.Conn)) (Exit, error) {
	t.Helper()
	theirs, ours := pair(t)
	go func() {
		script(theirs)
		theirs.Close()
	}()
	return Serve(t.Context(), ours, Record{ID: "x"}, o)
}

// What the kernel calls an invalid argument is said in words.
func TestSocketNameIsTooLong(t *testing.T) {
	_, err := listenOwn(filepath.Join(t.TempDir(), strings.Repeat("x", maxSocketName)), nil)
	if err == nil || !strings.Contains(err.Error(), "longer than 107 bytes") || !strings.Contains(hint.Of(err), "XDG_RUNTIME_DIR") {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
}

func TestServe(t *testing.T) {
	in, typing, err := os.Pipe()
	must(t, err)
	defer in.Close()
	var out, errs *os.File
	for _, f := range []**os.File{&out, &errs} {
		*f, err = os.CreateTemp(t.TempDir(), "out")
		must(t, err)
		defer (*f).Close()
	}
	o := ServeOptions{In: in, Out: out, Err: errs, Stdio: spec.Stdio{Interactive: true}}
	_, err = typing.WriteString("question")
	must(t, err)
	typing.Close()
	var got bytes.Buffer
	exit, err := served(t, o, func(conn net.Conn) {
		for {
			kind, payload, err := readFrame(conn)
			if err != nil || kind == frameInputEnd {
				break
			}
			got.Write(payload)
		}
		_ = writeFrame(conn, frameStdout, []byte("answer"))
		_ = writeFrame(conn, frameStderr, []byte("complaint"))
		_ = writeFrame(conn, frameExited, []byte{0, 7, 0, 0})
	})
	if exit.Code() != 7 || err != nil || got.String() != "question" {
		t.Errorf("%+v %v, got %q", exit, err, got.String())
	}
	if readFile(t, out.Name()) != "answer" || readFile(t, errs.Name()) != "complaint" {
		t.Error("output went astray")
	}
	o.Stdio.Interactive = false
	if _, err := served(t, o, func(conn net.Conn) { _ = writeFrame(conn, frameExited, []byte{1}) }); !errors.Is(err, errFrame) {
		t.Errorf("a short status: %v", err)
	}
	if _, err := served(t, o, func(net.Conn) {}); err == nil {
		t.Error("the supervisor is gone, and nobody says so")
	}
}

// Whoever attaches while the container is being built types to it, not to nobody.
func TestHubKeepsWhatIsTypedEarly(t *testing.T) {
	h := newHub()
	theirs, ours := pair(t)
	h.add(theirs, false)
	must(t, writeFrame(ours, frameInput, []byte("early")))
	must(t, writeFrame(ours, frameInputEnd, nil))
	time.Sleep(5 * time.Millisecond) // let it be received
	read, write, err := os.Pipe()
	must(t, err)
	defer read.Close()
	must(t, read.SetReadDeadline(time.Now().Add(10*time.Second)))
	h.connect(write, nil)
	if got, err := io.ReadAll(read); string(got) != "early" || err != nil {
		t.Errorf("%q %v", got, err)
	}
}
