package notify_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/notify"
)

func TestFilter(t *testing.T) {
	long := strings.Repeat("x", notify.MaxDatagram)
	for said, want := range map[string]string{
		"READY=1":                                  "READY=1",
		"READY=0":                                  "",
		"READY":                                    "",
		"READY=1\nSTATUS=a b=c\n":                  "READY=1\nSTATUS=a b=c",
		"RELOADING=1\nMONOTONIC_USEC=1":            "RELOADING=1",
		"STOPPING=1\nFDSTORE=1\nFDNAME=x":          "STOPPING=1",
		"FDSTOREREMOVE=1\nFDPOLL=0":                "",
		"WATCHDOG=1":                               "WATCHDOG=1",
		"WATCHDOG=trigger":                         "WATCHDOG=trigger",
		"WATCHDOG=2\nWATCHDOG_USEC=1":              "",
		"EXTEND_TIMEOUT_USEC=5000000":              "EXTEND_TIMEOUT_USEC=5000000",
		"EXTEND_TIMEOUT_USEC=-1":                   "",
		"EXTEND_TIMEOUT_USEC=99999999999999999999": "",
		"MAINPID=1":                                "MAINPID=4711",
		"MAINPID=\nMAINPIDFD=1":                    "MAINPID=4711",
		"BARRIER=1":                                "",
		"STATUS=tab\tbell\abs\b":                   "STATUS=tab bell bs ",
		"STATUS=\xff":                              "",
		"STATUS=" + strings.Repeat("é", 300):       "STATUS=" + strings.Repeat("é", 256),
		"STATUS=" + long:                           "",
		"ready=1\n READY=1\n=1":                    "",
		"":                                         "",
		"\x00READY=1":                              "",
	} {
		if got := notify.Filter([]byte(said), 4711); got != want {
			t.Errorf("%.40q: %q, want %q", said, got, want)
		}
	}
}

func FuzzFilter(f *testing.F) {
	f.Add([]byte("READY=1\nSTATUS=x\nMAINPID=1"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for line := range strings.SplitSeq(notify.Filter(b, 7), "\n") {
			key, value, _ := strings.Cut(line, "=")
			switch key {
			case "", "READY", "RELOADING", "STOPPING", "WATCHDOG", "EXTEND_TIMEOUT_USEC", "STATUS":
			case "MAINPID":
				if value != "7" {
					t.Errorf("%q", line)
				}
			default:
				t.Errorf("%q", line)
			}
		}
	})
}

// said reads what the proxy has passed on.
type said chan string

func (s said) send(state string) error { s <- state; return nil }

func (s said) next(t *testing.T) string {
	t.Helper()
	select {
	case state := <-s:
		return state
	case <-time.After(10 * time.Second):
		t.Fatal("nothing was passed on")
		return ""
	}
}

func dial(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Descriptors that come along are closed: who waits for that goes on.
func TestProxyKeepsNoDescriptors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	p, err := notify.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	got := make(said, 10)
	p.Start(42, got.send)
	defer p.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	raw, err := dial(t, path).File()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	if err := unix.Sendmsg(int(raw.Fd()), []byte("FDSTORE=1\nREADY=1"), unix.UnixRights(int(w.Fd())), nil, 0); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if s := got.next(t); s != "READY=1" {
		t.Errorf("passed on %q", s)
	}
	if err := r.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the descriptor is still open: %v", err)
	}
}

// What was said before the end is passed on, also by one that was never started.
func TestProxyClose(t *testing.T) {
	dir := t.TempDir()
	p, err := notify.Listen(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	if p, err = notify.Listen(filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	c := dial(t, filepath.Join(dir, "b"))
	for _, s := range []string{"STATUS=1", "STATUS=2", "STOPPING=1"} {
		if _, err := c.Write([]byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	got := make(said, 10)
	p.Start(42, got.send)
	p.Close()
	close(got)
	var all []string
	for s := range got {
		all = append(all, s)
	}
	if strings.Join(all, ",") != "STATUS=1,STATUS=2,STOPPING=1" {
		t.Errorf("passed on %q", all)
	}
	if _, err := notify.Listen(filepath.Join(dir, "no", "such")); err == nil {
		t.Error("a socket in no directory")
	}
}

func TestManager(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m, err := notify.NewManager(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Send("READY=1"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	if n, err := l.Read(buf); err != nil || string(buf[:n]) != "READY=1" {
		t.Errorf("%q %v", buf[:n], err)
	}
	for _, bad := range []string{"", "@", "x", "vsock:2:1", "run/x"} {
		if _, err := notify.NewManager(bad); !errors.Is(err, notify.ErrAddress) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	nobody, err := notify.NewManager(path + "x")
	if err != nil || nobody.Send("READY=1") == nil {
		t.Errorf("sent to nobody: %v", err)
	}
}
