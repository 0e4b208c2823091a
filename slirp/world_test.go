package slirp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const insideVar = "BURROW_TEST_ANCHORED"

// The world of these tests, all of it inside namespaces of the test's own:
//
//	remote 198.51.100.2 ── veth ── "host" 198.51.100.1 ── helper ── container 10.0.2.100
//
// anchored runs the calling test again as root of a new user, mount and
// network namespace, and returns true there. The new network namespace is the
// host of the picture, so nothing depends on the machine's own network.
func anchored(t testing.TB) bool {
	t.Helper()
	if os.Getenv(insideVar) == t.Name() {
		return true
	}
	if os.Getenv(insideVar) != "" {
		t.Skip("another test's namespaces")
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v", "-test.timeout=60s")
	if b, ok := t.(*testing.B); ok {
		cmd.Args[1] = "-test.run=^$"
		cmd.Args = append(cmd.Args, "-test.bench=^"+b.Name()+"$", "-test.benchtime="+fmt.Sprint(max(b.N, 20))+"x")
	}
	cmd.Env = append(os.Environ(), insideVar+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	out, err := cmd.CombinedOutput()
	switch {
	case err != nil:
		t.Errorf("inside: %v\n%s", err, out)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("inside:\n%s", out)
	default:
		t.Logf("inside:\n%s", out)
	}
	return false
}

// need skips where the machine lacks what the test is about; on the machine of
// the test suite nothing does.
func need(t testing.TB, programs ...string) {
	t.Helper()
	if err := checkTun(); err != nil {
		t.Skipf("probe: %v", err)
	}
	for _, p := range programs {
		if _, err := findProgram(p, nil); err != nil {
			t.Skipf("probe: %v", err)
		}
	}
}

func sh(t testing.TB, format string, args ...any) {
	t.Helper()
	line := fmt.Sprintf(format, args...)
	out, err := exec.CommandContext(t.Context(), "sh", "-ec", line).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
}

func newNetns(t testing.TB, o NetnsOptions) *Netns {
	t.Helper()
	path := filepath.Join(t.TempDir(), "net")
	ns, err := NewNetns(t.Context(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ns.Close()
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount netns: %v", err)
		}
	})
	return ns
}

const (
	hostIP    = "198.51.100.1"
	remoteIP  = "198.51.100.2"
	hostIP6   = "2001:db8::1"
	remoteIP6 = "2001:db8::2"
)

// newWorld makes the host's network and returns the remote's namespace.
func newWorld(t testing.TB) (remote *Netns) {
	t.Helper()
	remote = newNetns(t, NetnsOptions{})
	sh(t, `ip link set lo up
ip link add v0 type veth peer name v1
ip link set v1 netns %s
ip addr add %s/24 dev v0; ip addr add %s/64 dev v0 nodad
ip link set v0 up
ip route add default via %s`, remote.Path, hostIP, hostIP6, remoteIP+" 2>/dev/null || true")
	sh(t, `nsenter --net=%s sh -ec 'ip addr add %s/24 dev v1; ip addr add %s/64 dev v1 nodad; ip link set v1 up'`,
		remote.Path, remoteIP, remoteIP6)
	sh(t, `ip route replace default via %s; ip -6 route replace default via %s`, remoteIP, remoteIP6)
	return remote
}

// serve answers every TCP connection to addr, as seen in ns (nil: the host),
// with the client's address.
func serve(t testing.TB, ns *Netns, addr string) net.Listener {
	t.Helper()
	var ln net.Listener
	listen := func() (err error) {
		ln, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
		return err
	}
	in(t, ns, listen)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil { // a test has taken the descriptors
				time.Sleep(10 * time.Millisecond)
				continue
			}
			fmt.Fprint(c, c.RemoteAddr())
			c.Close()
		}
	}()
	return ln
}

// serveUDP answers every datagram to addr with the client's address.
func serveUDP(t testing.TB, ns *Netns, addr string) {
	t.Helper()
	var pc net.PacketConn
	in(t, ns, func() (err error) {
		pc, err = (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", addr)
		return err
	})
	t.Cleanup(func() { pc.Close() })
	go func() {
		buf := make([]byte, 65536)
		for {
			_, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo([]byte(from.String()), from)
		}
	}()
}

func in(t testing.TB, ns *Netns, fn func() error) {
	t.Helper()
	err := error(nil)
	if ns == nil {
		err = fn()
	} else {
		err = ns.Do(fn)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// ask connects from ns to addr and returns what the other side says.
func ask(ctx context.Context, ns *Netns, network, addr string) (string, error) {
	return askFor(ctx, ns, network, addr, 5*time.Second)
}

// askFor is ask with another patience.
func askFor(ctx context.Context, ns *Netns, network, addr string, patience time.Duration) (string, error) {
	var c net.Conn
	dial := func() (err error) {
		c, err = (&net.Dialer{Timeout: patience}).DialContext(ctx, network, addr)
		return err
	}
	err := error(nil)
	if ns == nil {
		err = dial()
	} else {
		err = ns.Do(dial)
	}
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if strings.HasPrefix(network, "udp") {
		if _, err := c.Write([]byte("?")); err != nil {
			return "", err
		}
		buf := make([]byte, 65536)
		n, err := c.Read(buf)
		return string(buf[:n]), err
	}
	b, err := io.ReadAll(c)
	return string(b), err
}

func hostOf(addr string) string {
	h, _, _ := net.SplitHostPort(addr)
	return h
}

// sameNetns fails if any thread of this process is in another namespace than
// the rest.
func sameNetns(t testing.TB) {
	t.Helper()
	want, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	stray := ""
	for range 100 { // a thread takes a moment to go away
		stray = ""
		tasks, _ := filepath.Glob("/proc/self/task/*/ns/net")
		for _, task := range tasks {
			if got, err := os.Readlink(task); err == nil && got != want {
				stray = task + " is in " + got
			}
		}
		if stray == "" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s, the process in %s", stray, want)
}
