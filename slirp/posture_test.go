package slirp

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// I34: what each helper holds and sees while it runs.
func TestPosture(t *testing.T) {
	for _, driver := range []Kind{Slirp4netns, Pasta} {
		t.Run(string(driver), func(t *testing.T) {
			need(t, string(driver))
			if !anchored(t) {
				return
			}
			newWorld(t)
			ns := newNetns(t, NetnsOptions{})
			s := startSession(t, ns, string(driver), Options{})
			pid := s.PID()
			caps := map[Kind]string{
				Slirp4netns: "0000000000000400", // CAP_NET_BIND_SERVICE
				Pasta:       "0000000000200400", // and CAP_SYS_ADMIN, for setns
			}
			for name, want := range map[string]string{
				"NoNewPrivs": "1", "Seccomp": "2", "CapEff": caps[driver], "CapPrm": caps[driver], "CapAmb": "0000000000000000",
			} {
				if got := statusField(t, pid, name); got != want {
					t.Errorf("%s: %s, want %s", name, got, want)
				}
			}
			root := fmt.Sprintf("/proc/%d/root", pid)
			seen := list(root)
			allowed := map[string]bool{"etc": driver == Slirp4netns, "run": driver == Slirp4netns}
			for _, e := range seen {
				if !allowed[e] {
					t.Errorf("sees /%s", e)
				}
			}
			for _, e := range list(root + "/run") {
				if e != "resolv" && e != "systemd" && e != "netns" {
					t.Errorf("sees /run/%s", e)
				}
			}
			fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
			for _, fd := range fds {
				target, _ := os.Readlink(fd)
				if strings.HasPrefix(target, "/") && target != "/dev/net/tun" && target != "/dev/null" && target != netnsPath {
					t.Errorf("holds %s", target)
				}
			}
		})
	}
}

func list(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func statusField(t *testing.T, pid int, name string) string {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// The helper dies with us, however we die.
func TestHelperDiesWithUs(t *testing.T) {
	const childVar = "BURROW_TEST_VICTIM"
	if os.Getenv(childVar) != "" {
		ns := newNetns(t, NetnsOptions{})
		s := startSession(t, ns, os.Getenv(childVar), Options{})
		fmt.Printf("helper=%d\n", s.PID())
		os.Stdout.Sync()
		time.Sleep(time.Minute)
	}
	for _, driver := range []Kind{Slirp4netns, Pasta} {
		t.Run(string(driver), func(t *testing.T) {
			need(t, string(driver))
			if !anchored(t) {
				return
			}
			newWorld(t)
			victim := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^TestHelperDiesWithUs$", "-test.v")
			victim.Env = append(os.Environ(), childVar+"="+string(driver))
			out, err := victim.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := victim.Start(); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 4096)
			text := ""
			for !strings.Contains(text, "helper=") || !strings.HasSuffix(text, "\n") {
				n, err := out.Read(buf)
				if err != nil {
					t.Fatalf("%v: %s", err, text)
				}
				text += string(buf[:n])
			}
			_, number, _ := strings.Cut(text, "helper=")
			pid, err := strconv.Atoi(strings.TrimSpace(number))
			if err != nil {
				t.Fatal(err)
			}
			if err := victim.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = victim.Wait()
			for range 200 {
				if err := unix.Kill(pid, 0); errors.Is(err, unix.ESRCH) {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			state := statusField(t, pid, "State")
			if !strings.HasPrefix(state, "Z") { // an init that does not reap is not our concern
				t.Errorf("helper %d survived: %s", pid, state)
			}
		})
	}
}

// I16: a resolver on the host's loopback must not open the rest of it. The DNS
// forwarder of old versions of libslirp takes every port.
func TestLoopbackResolver(t *testing.T) {
	for _, driver := range []Kind{Slirp4netns, Pasta} {
		t.Run(string(driver), func(t *testing.T) {
			need(t, string(driver))
			if !anchored(t) {
				return
			}
			newWorld(t)
			conf := filepath.Join(t.TempDir(), "resolv.conf")
			if err := os.WriteFile(conf, []byte("nameserver 127.0.0.1\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			sh(t, "mount --bind %s $(realpath /etc/resolv.conf)", conf)
			ns := newNetns(t, NetnsOptions{})
			startSession(t, ns, string(driver), Options{})
			serve(t, nil, "127.0.0.1:77")
			serveUDP(t, nil, "127.0.0.1:77")
			serveUDP(t, nil, "127.0.0.1:53")
			for _, network := range []string{"tcp", "udp"} {
				if got, err := askFor(t.Context(), ns, network, "10.0.2.3:77", time.Second); err == nil {
					t.Errorf("%s: the host's loopback answers %q through the DNS forwarder", network, got)
				}
			}
			if driver == Pasta {
				return // passes on what looks like DNS only; our server does not
			}
			if got, err := ask(t.Context(), ns, "udp", "10.0.2.3:53"); err != nil || hostOf(got) != "127.0.0.1" {
				t.Errorf("forwarder: %q, %v", got, err)
			}
		})
	}
}

// V59: no IPv6 unless asked for; I36: without a network there is lo alone.
func TestNoIPv6(t *testing.T) {
	need(t, "slirp4netns")
	if !anchored(t) {
		return
	}
	newWorld(t)
	for network, want := range map[string]bool{"slirp4netns": false, "slirp4netns:enable_ipv6=true": true, "none": false} {
		ns := newNetns(t, NetnsOptions{})
		startSession(t, ns, network, Options{})
		time.Sleep(50 * time.Millisecond) // for the kernel to make up an address, if it would
		out, err := exec.CommandContext(t.Context(), "nsenter", "--net="+ns.Path, "sh", "-c",
			"ip -6 -br addr show scope global; ip -6 -br addr show scope link; ip -6 route show default").CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		if got := len(out) > 0; got != want {
			t.Errorf("%s: IPv6 is %v, want %v: %s", network, got, want, out)
		}
	}
}
