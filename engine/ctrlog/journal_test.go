package ctrlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/burrow-run/burrow/internal/journal"
)

// fakeJournal receives entries as journald does and hands them out as journalctl
// does, from a file that a script in PATH prints.
type fakeJournal struct {
	socket, export string
	stamp          atomic.Int64 // microseconds
}

func newFakeJournal(t *testing.T) *fakeJournal {
	t.Helper()
	dir := t.TempDir()
	f := &fakeJournal{socket: filepath.Join(dir, "socket"), export: filepath.Join(dir, "export")}
	f.stamp.Store(1e15)
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: f.socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	out, err := os.Create(f.export)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close() })
	go f.serve(l, out)
	// The cursor is the number of bytes that were printed.
	script := `#!/bin/sh
echo "$*" >>` + dir + `/args
from=1 n=
for a; do case $a in --after-cursor=*) from=$((1${a#*=} - 1000000000000 + 1));; --follow) n=-f;; esac; done
exec tail -s 0.02 -c +$from $n ` + f.export + `
`
	if err := os.WriteFile(filepath.Join(dir, "journalctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	return f
}

func (f *fakeJournal) serve(l *net.UnixConn, out io.Writer) {
	buf, size := make([]byte, 1<<20), 0
	for {
		n, err := l.Read(buf)
		if err != nil {
			return
		}
		_ = journal.Decode(bytes.NewReader(buf[:n]), func(e journal.Entry) error {
			var b bytes.Buffer
			fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n", f.stamp.Add(1))
			for k, v := range e {
				b.WriteString(k + "\n")
				_ = binary.Write(&b, binary.LittleEndian, uint64(len(v)))
				b.Write(append(v, '\n'))
			}
			size += b.Len() + len("__CURSOR=000000000000\n\n")
			fmt.Fprintf(&b, "__CURSOR=%012d\n\n", size)
			_, err := out.Write(b.Bytes())
			return err
		})
	}
}

const testID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func (f *fakeJournal) writer(t *testing.T) *JournalWriter {
	t.Helper()
	c, err := journal.Dial(f.socket, 0)
	if err != nil {
		t.Fatal(err)
	}
	return newJournalWriter(c, JournalOptions{ID: testID, Name: "web"})
}

func (f *fakeJournal) query() JournalQuery {
	return JournalQuery{
		Query: Query{Tail: -1}, ID: testID, UID: 1000, EndEvent: []string{"EVENT=died"},
		Started: func() time.Time { return time.UnixMicro(1e15) },
	}
}

func collect(t *testing.T, q JournalQuery) string {
	t.Helper()
	var b strings.Builder
	err := ReadJournal(t.Context(), q, func(l Line) error {
		fmt.Fprintf(&b, "%s:%s", l.Stream, l.Text)
		if !l.Partial {
			b.WriteByte('\n')
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// settle waits until journald's side has everything.
func (f *fakeJournal) settle(t *testing.T, n int64) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); f.stamp.Load() < 1e15+n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the entries did not come")
		}
	}
	time.Sleep(20 * time.Millisecond)
}

func TestJournalRoundTrip(t *testing.T) {
	f := newFakeJournal(t)
	w := f.writer(t)
	long := strings.Repeat("x", 2*MaxPart)
	for _, p := range []struct {
		s    Stream
		text string
	}{{Stdout, "one\ntw"}, {Stderr, "err\n"}, {Stdout, "o\n\n"}, {Stdout, long + "\nlast"}} {
		if err := w.Write(p.s, []byte(p.text)); err != nil {
			t.Fatal(err)
		}
	}
	f.settle(t, 8)
	want := "stdout:one\nstdout:twstderr:err\nstdout:o\nstdout:\n"
	x := strings.Repeat("x", MaxPart)
	if got := collect(t, f.query()); got != want+"stdout:"+x+"stdout:"+x+"\nstdout:last" {
		t.Errorf("read %.100q", got)
	}
	q := f.query()
	q.Tail = 2
	if got := collect(t, q); got != "stdout:"+x+"stdout:"+x+"\nstdout:last" {
		t.Errorf("last lines: %.100q", got)
	}
	q = f.query()
	q.Since, q.Until = time.UnixMicro(1e15+2), time.UnixMicro(1e15+3)
	if got := collect(t, q); got != "stdout:twstderr:err\n" {
		t.Errorf("between: %q", got)
	}
	args, err := os.ReadFile(filepath.Join(filepath.Dir(f.export), "args"))
	if err != nil || !strings.Contains(string(args), "_UID=1000 CONTAINER_ID_FULL="+testID+" + _UID=1000 EVENT=died\n") {
		t.Errorf("journalctl was asked: %s %v", args, err)
	}
}

// A follower gets every line, and ends when the last one has come.
func TestJournalFollow(t *testing.T) {
	f := newFakeJournal(t)
	w := f.writer(t)
	var ended atomic.Bool
	q := f.query()
	q.Follow, q.Ended = true, ended.Load
	go func() {
		for i := range 300 {
			_ = w.Write(Stdout, fmt.Appendf(nil, "line %d\n", i))
			if i%100 == 0 {
				time.Sleep(2 * pollInterval)
			}
		}
		ended.Store(true) // known before the last lines are in the journal
		time.Sleep(4 * pollInterval)
		_ = w.Write(Stdout, []byte("last\n"))
		_ = w.conn.Send(journal.Text("EVENT", "died"))
	}()
	n, last := 0, ""
	err := ReadJournal(t.Context(), q, func(l Line) error {
		if want := fmt.Sprintf("line %d", n); n < 300 && string(l.Text) != want {
			return fmt.Errorf("got %q, want %q", l.Text, want)
		}
		n, last = n+1, string(l.Text)
		return nil
	})
	if err != nil || n != 301 || last != "last" {
		t.Errorf("%d lines, the last %q, %v", n, last, err)
	}
	// Once more, now that all is over: at once.
	if got := collect(t, q); !strings.HasSuffix(got, "last\n") {
		t.Errorf("read %.100q", got)
	}
}

// A supervisor that was killed has written no end.
func TestJournalFollowWithoutEnd(t *testing.T) {
	f := newFakeJournal(t)
	w := f.writer(t)
	if err := w.Write(Stdout, []byte("one\n")); err != nil {
		t.Fatal(err)
	}
	f.settle(t, 1)
	q := f.query()
	q.Follow, q.Ended = true, func() bool { return true }
	if got := collect(t, q); got != "stdout:one\n" {
		t.Errorf("read %q", got)
	}
}

func TestJournalThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	q := JournalQuery{Query: Query{Tail: -1}, ID: testID}
	none := func(Line) error { return nil }
	if err := ReadJournal(t.Context(), q, none); !errors.Is(err, ErrNoJournal) {
		t.Errorf("without journalctl: %v", err)
	}
	script := "#!/bin/sh\necho No journal files were opened due to insufficient permissions. >&2\nexit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "journalctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := ReadJournal(t.Context(), q, none); !errors.Is(err, ErrNoJournal) || !strings.Contains(err.Error(), "insufficient") {
		t.Errorf("without rights: %v", err)
	}
}
