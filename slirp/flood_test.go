package slirp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const floodVar = "BURROW_TEST_FLOOD"

// TestMain is also the main program of a client that connects as often as it is told,
// and holds on to all connections until its input ends.
func TestMain(m *testing.M) {
	to, count, ok := strings.Cut(os.Getenv(floodVar), " ")
	if !ok {
		os.Exit(m.Run())
	}
	n, _ := strconv.Atoi(count)
	held := make([]net.Conn, 0, n)
	for range n {
		c, err := net.DialTimeout("tcp", to, 5*time.Second)
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		held = append(held, c)
	}
	fmt.Println("connected")
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
	for _, c := range held {
		c.Close()
	}
}

// flood is such a client; it has connected when this returns.
func flood(t *testing.T, to string, count int) (end func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), floodVar+"="+to+" "+strconv.Itoa(count))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if said, err := bufio.NewReader(out).ReadString('\n'); err != nil || said != "connected\n" {
		t.Fatalf("%q, %v", said, err)
	}
	return func() {
		in.Close()
		_ = cmd.Wait()
	}
}

// descriptors has this process get so few from now on.
func descriptors(t *testing.T, most uint64) (back func()) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
			t.Fatal(err)
		}
	}
}

// hold takes connections and keeps them until the client leaves.
func hold(t *testing.T, ns *Netns, addr string) {
	t.Helper()
	var ln net.Listener
	in(t, ns, func() (err error) {
		ln, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
		return err
	})
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(io.Discard, c)
				c.Close()
			}()
		}
	}()
}

// TestFloodLeavesDescriptors: whoever connects to a published port more often than
// there are descriptors takes none from the rest of the process, and when he
// leaves everything works as before.
func TestFloodLeavesDescriptors(t *testing.T) {
	need(t, "slirp4netns")
	if !anchored(t) {
		return
	}
	newWorld(t)
	ns := newNetns(t, NetnsOptions{})
	ports, err := ParsePorts([]string{"8080:80", "8081:81", "8053:53/udp"})
	if err != nil {
		t.Fatal(err)
	}
	defer descriptors(t, 400)()
	startSession(t, ns, "slirp4netns", Options{Ports: ports})
	serve(t, ns, ":80")
	hold(t, ns, ":81")
	serveUDP(t, ns, ":53")
	end := flood(t, "127.0.0.1:8081", 600)
	// The container takes those that it gets; then there is silence.
	was := -1
	for now := opened(t); now != was; now = opened(t) {
		was = now
		time.Sleep(300 * time.Millisecond)
	}
	var free []*os.File
	for range 100 {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Errorf("after %d files, with %d descriptors: %v", len(free), was, err)
			break
		}
		free = append(free, f)
	}
	for _, f := range free {
		f.Close()
	}
	end()
	for _, c := range [][2]string{{"tcp", "8080"}, {"udp", "8053"}} {
		if got, err := ask(t.Context(), nil, c[0], "127.0.0.1:"+c[1]); err != nil || got == "" {
			t.Errorf("after the flood %s answers %q, %v", c[0], got, err)
		}
	}
}

// opened is how many descriptors this process has.
func opened(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// heard is a logger that tells of warnings.
type heard struct {
	slog.Handler
	warned chan string
}

func (h heard) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		select {
		case h.warned <- r.Message:
		default:
		}
	}
	return nil
}

// TestListenerOutlivesWant: a connection that cannot be taken for want of descriptors,
// whoever has them, does not close the port.
func TestListenerOutlivesWant(t *testing.T) {
	need(t, "slirp4netns")
	if !anchored(t) {
		return
	}
	newWorld(t)
	ns := newNetns(t, NetnsOptions{})
	ports, err := ParsePorts([]string{"8080:80"})
	if err != nil {
		t.Fatal(err)
	}
	h := heard{slog.DiscardHandler, make(chan string, 1)}
	startSession(t, ns, "slirp4netns", Options{Ports: ports, Logger: slog.New(enabled{h})})
	serve(t, ns, ":80")
	asker, out, err := os.Pipe() // made while there are descriptors
	if err != nil {
		t.Fatal(err)
	}
	defer asker.Close()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), floodVar+"=127.0.0.1:8080 1")
	cmd.Stdin, cmd.Stdout = asker, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	back := descriptors(t, 3) // from now on none
	select {
	case <-h.warned:
	case <-time.After(10 * time.Second):
		back()
		t.Fatal("the connection was taken, or nobody has tried")
	}
	back()
	out.Close()
	_ = cmd.Wait()
	if got, err := ask(t.Context(), nil, "tcp", "127.0.0.1:8080"); err != nil || got == "" {
		t.Errorf("then it answers %q, %v", got, err)
	}
}

// enabled lets a handler hear everything.
type enabled struct{ heard }

func (enabled) Enabled(context.Context, slog.Level) bool { return true }

func TestBudget(t *testing.T) {
	for _, c := range []struct {
		limit uint64
		ports int
		tcp   int
		udp   int
	}{
		{1024, 1, 111, 95}, {400, 3, 20, 17}, {100, 1, 1, 1}, {0, 60000, 1, 1}, {1 << 20, 1, 8192, 131039}, {^uint64(0), 1, 8192, 268435423},
	} {
		b := budgetOf(c.limit, c.ports)
		n := 0
		for b.tcp.TryAcquire(tcpFDs) {
			n++
		}
		if n != c.tcp || !b.udp.TryAcquire(int64(c.udp)) || b.udp.TryAcquire(1) {
			t.Errorf("%d descriptors, %d ports: %d connections, want %d", c.limit, c.ports, n, c.tcp)
		}
	}
}
