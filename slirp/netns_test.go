package slirp

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestNewNetns(t *testing.T) {
	if !anchored(t) {
		return
	}
	ns := newNetns(t, NetnsOptions{Sysctl: map[string]string{"net.ipv4.ip_default_ttl": "42"}})
	sameNetns(t)
	err := ns.Do(func() error {
		links, err := net.Interfaces()
		if err != nil || len(links) != 1 || links[0].Name != "lo" || links[0].Flags&net.FlagUp == 0 {
			t.Errorf("interfaces: %v, %v; want lo, up", links, err)
		}
		for name, want := range map[string]string{
			"net/ipv4/ip_unprivileged_port_start": "0",
			"net/ipv4/ping_group_range":           "0\t0",
			"net/ipv4/ip_default_ttl":             "42",
		} {
			got, err := os.ReadFile("/proc/sys/" + name)
			if strings.TrimSpace(string(got)) != want {
				t.Errorf("%s: %q, %v; want %q", name, got, err, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	sameNetns(t)
	// By path, for everybody else in this mount namespace.
	out, err := exec.CommandContext(t.Context(), "nsenter", "--net="+ns.Path, "readlink", "/proc/self/ns/net").Output()
	again, err2 := OpenNetns(ns.Path)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	defer again.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(again.File.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), "["+utoa(st.Ino)+"]") {
		t.Errorf("path leads to %s, want inode %d", out, st.Ino)
	}
}

func utoa(n uint64) string {
	var b [20]byte
	i := len(b)
	for ok := true; ok; ok = n > 0 {
		i--
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return string(b[i:])
}

func TestNetnsSysfs(t *testing.T) {
	if !anchored(t) {
		return
	}
	ns := newNetns(t, NetnsOptions{Sysfs: true})
	dir := t.TempDir()
	if err := unix.MoveMount(int(ns.Sysfs.Fd()), "", unix.AT_FDCWD, dir, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	nets, err := filepath.Glob(dir + "/class/net/*")
	if err != nil || len(nets) != 1 || filepath.Base(nets[0]) != "lo" {
		t.Errorf("sysfs shows %v, %v; want lo alone", nets, err)
	}
	if err := os.WriteFile(nets[0]+"/mtu", []byte("1500"), 0); !errors.Is(err, unix.EROFS) {
		t.Errorf("write to sysfs: %v, want EROFS", err)
	}
}

func TestNetnsRefuses(t *testing.T) {
	for _, key := range []string{"kernel.hostname", "net..x", "net/../kernel/hostname", "net.ipv4.x\n", "/net/x", "net"} {
		_, err := NewNetns(t.Context(), filepath.Join(t.TempDir(), "n"), NetnsOptions{Sysctl: map[string]string{key: "1"}})
		if !errors.Is(err, ErrSyntax) {
			t.Errorf("%q: %v, want ErrSyntax", key, err)
		}
	}
	if got := sysctlPath("net.ipv4.conf.eth0/1.forwarding"); got != "net/ipv4/conf/eth0.1/forwarding" {
		t.Error(got)
	}
	if _, err := OpenNetns("/proc/self/ns/uts"); err == nil {
		t.Error("a UTS namespace passed for a network")
	}
}

func TestPingRange(t *testing.T) {
	for _, c := range []struct {
		m         string
		low, high uint64
		ok        bool
	}{
		{"0 0 4294967295", 0, 4294967294, true},
		{"0 1000 1\n1 100000 65536", 0, 65536, true},
		{"0 1000 1", 0, 0, true},
		{"0 1000 1\n1 200000 1000\n1001 100000 500", 0, 1000, true}, // the last extent is below the second: leave it out
		{"0 700000 1\n1 100000 65536", 1, 65536, true},
		{"", 0, 0, false},
	} {
		low, high, ok := pingRange(readExtents(strings.NewReader(c.m)))
		if low != c.low || high != c.high || ok != c.ok {
			t.Errorf("%q: %d %d %v, want %d %d %v", c.m, low, high, ok, c.low, c.high, c.ok)
		}
	}
}

func BenchmarkNewNetns(b *testing.B) {
	if !anchored(b) {
		return
	}
	dir := b.TempDir()
	for b.Loop() {
		path := filepath.Join(dir, "n")
		ns, err := NewNetns(b.Context(), path, NetnsOptions{Sysfs: true})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		ns.Close()
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			b.Fatal(err)
		}
		os.Remove(path)
		b.StartTimer()
	}
}
