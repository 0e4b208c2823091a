package journal

import (
	"bytes"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// listen is journald's side of the socket.
func listen(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// receive reads an entry as journald does: from the datagram, or from the file
// that came with an empty one.
func receive(t *testing.T, l *net.UnixConn) Entry {
	t.Helper()
	buf, oob := make([]byte, 1<<20), make([]byte, 1024)
	n, oobn, _, _, err := l.ReadMsgUnix(buf, oob)
	if err != nil {
		t.Fatal(err)
	}
	text := buf[:n]
	if oobn > 0 {
		msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil {
			t.Fatal(err)
		}
		fds, err := unix.ParseUnixRights(&msgs[0])
		if err != nil || n != 0 {
			t.Fatal(n, err)
		}
		f := os.NewFile(uintptr(fds[0]), "entry")
		defer f.Close()
		seals, err := unix.FcntlInt(f.Fd(), unix.F_GET_SEALS, 0)
		if err != nil || seals&unix.F_SEAL_WRITE == 0 {
			t.Errorf("journald would refuse a file with seals %x, %v", seals, err)
		}
		text = make([]byte, 1<<24)
		n, _ := f.ReadAt(text, 0)
		text = text[:n]
	}
	var got Entry
	err = Decode(bytes.NewReader(text), func(e Entry) error { got = e; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestSend(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l := listen(t, path)
	c, err := Dial(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, message := range []string{"plain", "", "two\nlines", "\n", "a=b", "\x00\xff", strings.Repeat("x", 1<<23)} {
		done := make(chan error, 1)
		go func() { done <- c.Send(Text("MESSAGE", message), Text("PRIORITY", "6")) }()
		e := receive(t, l)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if string(e["MESSAGE"]) != message || string(e["PRIORITY"]) != "6" {
			t.Errorf("sent %.20q, received %.20q %q", message, e["MESSAGE"], e["PRIORITY"])
		}
	}
	if err := c.Send(Text("_UID", "0")); err == nil {
		t.Error("a trusted field was sent")
	}
}

// A journal that is behind is waited for; nothing is dropped.
func TestSendWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	l := listen(t, path)
	const n = 5000 // more than any queue (net.unix.max_dgram_qlen)
	done := make(chan error, 1)
	go func() {
		c, err := Dial(path, 0)
		if err != nil {
			done <- err
			return
		}
		defer c.Close()
		for range n {
			if err := c.Send(Text("MESSAGE", "x")); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	time.Sleep(100 * time.Millisecond)
	for range n {
		receive(t, l)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestSendGivesUp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	listen(t, path)
	c, err := Dial(path, 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for err == nil {
		err = c.Send(Text("MESSAGE", "x"))
	}
	if !errors.Is(err, unix.EAGAIN) {
		t.Errorf("got %v", err)
	}
}

func TestSendReconnects(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	first := listen(t, path)
	c, err := Dial(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	first.Close()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	l := listen(t, path)
	if err := c.Send(Text("MESSAGE", "again")); err != nil {
		t.Fatal(err)
	}
	if e := receive(t, l); string(e["MESSAGE"]) != "again" {
		t.Errorf("received %q", e)
	}
}

func TestDialWithoutJournal(t *testing.T) {
	if _, err := Dial(filepath.Join(t.TempDir(), "none"), 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestDecode(t *testing.T) {
	text := "__CURSOR=a\nMESSAGE=one\n\nMESSAGE\n\x03\x00\x00\x00\x00\x00\x00\x00a\nb\nPRIORITY=3\n\nMESSAGE=cut off"
	var got []Entry
	if err := Decode(strings.NewReader(text), func(e Entry) error { got = append(got, e); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || string(got[0]["__CURSOR"]) != "a" || string(got[1]["MESSAGE"]) != "a\nb" || string(got[1]["PRIORITY"]) != "3" {
		t.Errorf("read %q", got)
	}
	for _, bad := range []string{"MESSAGE\n\x01", "MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xff", "MESSAGE\n\x01\x00\x00\x00\x00\x00\x00\x00xy"} {
		if err := Decode(strings.NewReader(bad), func(Entry) error { return nil }); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("A=b\n\nB\n\x01\x00\x00\x00\x00\x00\x00\x00x\n\n"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = Decode(bytes.NewReader(b), func(Entry) error { return nil })
	})
}
