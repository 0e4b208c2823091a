package main_test

import (
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// What a service manager does for a script:
//
//	manager                    listen at $NOTIFY for what services say
//	[!] heard RE               wait until what was said matches RE, one message
//	                           per line, its own lines joined with '+'; with !, it
//	                           does not match what was said so far
//	activate NAME PROG ARG...  spawn PROG with two listening sockets, named web
//	                           and admin; the first is $WORK/web.sock
//	asks RE                    connect to that; the answer matches RE
type manager struct {
	mu   sync.Mutex
	said strings.Builder
}

type managerKey struct{}

func (m *manager) listen(conn net.Conn) {
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		m.mu.Lock()
		m.said.WriteString(strings.ReplaceAll(string(buf[:n]), "\n", "+") + "\n")
		m.mu.Unlock()
	}
}

func (m *manager) text() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.said.String()
}

func cmdManager(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: manager")
	}
	path := ts.MkAbs("notify.sock")
	_ = os.Remove(path)
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	ts.Check(err)
	ts.Defer(func() { conn.Close() })
	m := &manager{}
	go m.listen(conn)
	environ(ts).Values[managerKey{}] = m
	ts.Setenv("NOTIFY", path)
}

func cmdHeard(ts *testscript.TestScript, neg bool, args []string) {
	m, ok := ts.Value(managerKey{}).(*manager)
	if !ok || len(args) != 1 {
		ts.Fatalf("usage: manager; [!] heard RE")
	}
	re := regexp.MustCompile("(?m)" + args[0])
	if neg {
		if re.MatchString(m.text()) {
			ts.Fatalf("heard %.2000q", m.text())
		}
		return
	}
	for deadline := time.Now().Add(30 * time.Second); !re.MatchString(m.text()); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("heard only %.2000q", m.text())
		}
	}
}

func cmdActivate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: activate NAME PROG [ARG...]")
	}
	path := ts.MkAbs("web.sock")
	_ = os.Remove(path)
	web, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	ts.Check(err)
	web.SetUnlinkOnClose(false)
	admin, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	ts.Check(err)
	webFile, err := web.File()
	ts.Check(err)
	adminFile, err := admin.File()
	ts.Check(err)
	s := &spawned{done: make(chan struct{})}
	s.cmd = command(ts, append([]string{"sh", "-c", `export LISTEN_PID=$$; exec "$@"`, "sh"}, args[1:]...)...)
	s.cmd.Env = append(s.cmd.Env, "LISTEN_FDS=2", "LISTEN_FDNAMES=web:admin")
	s.cmd.ExtraFiles = []*os.File{webFile, adminFile}
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.err
	ts.Check(s.cmd.Start())
	for _, f := range []io.Closer{web, admin, webFile, adminFile} { // they are the service's now
		ts.Check(f.Close())
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	environ(ts).Values[spawnKey(args[0])] = s
	ts.Defer(func() { _ = s.cmd.Process.Kill() })
}

func cmdAsks(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: asks RE")
	}
	conn, err := net.Dial("unix", ts.MkAbs("web.sock"))
	ts.Check(err)
	defer conn.Close()
	ts.Check(conn.SetDeadline(time.Now().Add(30 * time.Second)))
	b, err := io.ReadAll(conn)
	ts.Check(err)
	if !regexp.MustCompile("(?m)" + args[0]).Match(b) {
		ts.Fatalf("answer %q", b)
	}
}
