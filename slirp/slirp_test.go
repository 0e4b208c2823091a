package slirp

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func startSession(t testing.TB, ns *Netns, network string, o Options) *Session {
	t.Helper()
	m, err := ParseNetwork(network)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), ns, m, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSlirp4netns(t *testing.T) { driverSuite(t, "slirp4netns") }

func TestPasta(t *testing.T) { driverSuite(t, "pasta") }

// driverSuite is the same for both helpers.
func driverSuite(t *testing.T, driver string) {
	need(t, driver)
	if !anchored(t) {
		return
	}
	remote := newWorld(t)
	ns := newNetns(t, NetnsOptions{})
	s := startSession(t, ns, driver, Options{})
	sameNetns(t)

	there := serve(t, remote, remoteIP+":7")
	if got, err := ask(t.Context(), ns, "tcp", there.Addr().String()); err != nil || hostOf(got) != hostIP {
		t.Errorf("outbound: %q, %v; want a connection from %s", got, err, hostIP)
	}
	serveUDP(t, remote, remoteIP+":7")
	if got, err := ask(t.Context(), ns, "udp", remoteIP+":7"); err != nil || hostOf(got) != hostIP {
		t.Errorf("outbound UDP: %q, %v; want a datagram from %s", got, err, hostIP)
	}

	// V57, I16: the host's loopback, by any name.
	serve(t, nil, "127.0.0.1:77")
	serve(t, nil, "[::1]:77")
	var all sync.WaitGroup
	for _, addr := range []string{"127.0.0.1:77", "[::1]:77", "10.0.2.2:77", "10.0.2.3:77", hostIP + ":77", "0.0.0.0:77", "[fd00::2]:77"} {
		all.Go(func() {
			if got, err := askFor(t.Context(), ns, "tcp", addr, time.Second); err == nil && got != "" {
				t.Errorf("reached the host's loopback through %s, as %s", addr, got)
			}
		})
	}
	all.Wait()

	s.Close()
	if err := unix.Kill(s.PID(), 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("helper after Close: %v, want ESRCH", err)
	}
}

func TestHelperDies(t *testing.T) {
	need(t, "slirp4netns")
	if !anchored(t) {
		return
	}
	ns := newNetns(t, NetnsOptions{})
	s := startSession(t, ns, "slirp4netns", Options{})
	if err := unix.Kill(s.PID(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Died():
	case <-time.After(5 * time.Second):
		t.Fatal("nobody noticed")
	}
	if err := s.Err(); !errors.Is(err, ErrHelperDied) || !strings.Contains(err.Error(), "killed") {
		t.Errorf("%v", err)
	}
}

func BenchmarkSlirp4netns(b *testing.B) { benchDriver(b, "slirp4netns") }

func BenchmarkPasta(b *testing.B) { benchDriver(b, "pasta") }

func benchDriver(b *testing.B, driver string) {
	need(b, driver)
	if !anchored(b) {
		return
	}
	newWorld(b)
	m, err := ParseNetwork(driver)
	if err != nil {
		b.Fatal(err)
	}
	var start, ready, end time.Duration
	for b.Loop() {
		b.StopTimer()
		ns := newNetns(b, NetnsOptions{})
		b.StartTimer()
		t := time.Now()
		s, err := Start(b.Context(), ns, m, Options{})
		if err != nil {
			b.Fatal(err)
		}
		start += time.Since(t)
		if err := s.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
		ready += time.Since(t)
		t = time.Now()
		s.Close()
		end += time.Since(t)
	}
	b.ReportMetric(float64(end.Microseconds())/float64(b.N), "µs-to-close")
	b.ReportMetric(float64(start.Microseconds())/float64(b.N), "µs-to-start")
	b.ReportMetric(float64(ready.Microseconds())/float64(b.N), "µs-to-ready")
}
