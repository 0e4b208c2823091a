package slirp

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/burrow-run/burrow/internal/hint"
)

// F24: what is missing or broken is said at once, with what to do about it.
func TestHelperMissing(t *testing.T) {
	if !anchored(t) {
		return
	}
	ns := newNetns(t, NetnsOptions{})
	for kind, want := range map[Kind]string{
		Slirp4netns: "sudo apt-get install slirp4netns (or choose --network=pasta or --network=none)",
		Pasta:       "sudo apt-get install passt (or choose --network=slirp4netns or --network=none)",
	} {
		_, err := Start(t.Context(), ns, Mode{Kind: kind}, Options{ProgramDirs: []string{t.TempDir()}})
		if !errors.Is(err, ErrHelperMissing) || hint.Of(err) != want {
			t.Errorf("%s: %v (hint %q)", kind, err, hint.Of(err))
		}
	}
	s, err := Start(t.Context(), ns, Mode{Kind: None}, Options{ProgramDirs: []string{t.TempDir()}})
	if err != nil || s.Wait(t.Context()) != nil || s.Close() != nil || s.PID() != 0 || s.Ports() != nil {
		t.Errorf("none: %v", err)
	}
	ports, _ := ParsePorts([]string{"80"})
	for _, m := range []Mode{{Kind: None}, {Kind: Host}, {Kind: Container, Target: "x"}} {
		if _, err := Start(t.Context(), ns, m, Options{Ports: ports}); !errors.Is(err, ErrSyntax) || hint.Of(err) == "" {
			t.Errorf("ports with %s: %v", m, err)
		}
	}
}

func TestTunMissing(t *testing.T) {
	need(t, "slirp4netns")
	if !anchored(t) {
		return
	}
	sh(t, "mount -t tmpfs none /dev/net")
	_, err := Start(t.Context(), newNetns(t, NetnsOptions{}), Mode{Kind: Slirp4netns}, Options{})
	if !errors.Is(err, ErrTun) || !strings.HasPrefix(hint.Of(err), "sudo modprobe tun") {
		t.Errorf("%v (hint %q)", err, hint.Of(err))
	}
}

func TestHelperFails(t *testing.T) {
	need(t, "slirp4netns")
	if !anchored(t) {
		return
	}
	for _, c := range []struct{ name, script, text string }{
		{"exits", "echo first; printf 'so \\033[31msorry\\n' >&2; exit 3", "slirp4netns: exit status 3: first; so [31msorry"},
		{"killed", "kill -SEGV $$", "signal: segmentation fault"},
		{"nonsense", "printf x >&3; exec sleep 60", "not what it says"},
		{"hangs", "exec sleep 60", "context canceled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bin := t.TempDir()
			err := os.WriteFile(filepath.Join(bin, "slirp4netns"), []byte("#!/bin/sh\n"+c.script+"\n"), 0o755)
			if err != nil {
				t.Fatal(err)
			}
			ns, err := NewNetns(t.Context(), filepath.Join(t.TempDir(), "n"), NetnsOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer ns.Close()
			defer sh(t, "umount %s", ns.Path)
			s, err := Start(t.Context(), ns, Mode{Kind: Slirp4netns}, Options{ProgramDirs: []string{bin}})
			if err != nil {
				t.Fatal(err)
			}
			if c.name == "hangs" {
				time.AfterFunc(50*time.Millisecond, func() { s.Close() })
			}
			begin := time.Now()
			if err := s.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("got %v; want %q", err, c.text)
			}
			if d := time.Since(begin); d > 3*time.Second {
				t.Errorf("took %v", d)
			}
			s.Close()
		})
	}
}

// A resolv.conf that is a link, as with systemd-resolved, works in the jail.
func TestResolvLink(t *testing.T) {
	need(t, "slirp4netns")
	if !anchored(t) {
		return
	}
	newWorld(t)
	sh(t, `d=%s; mkdir $d/etc; cp /etc/ld.so.cache /etc/passwd $d/etc
ln -s ../run/systemd/resolve/stub-resolv.conf $d/etc/resolv.conf
mount --bind $d/etc /etc; mount -t tmpfs none /run
mkdir -p /run/systemd/resolve /run/user/0; echo nameserver 127.0.0.53 >/run/systemd/resolve/stub-resolv.conf`, t.TempDir())
	ns := newNetns(t, NetnsOptions{})
	s := startSession(t, ns, "slirp4netns", Options{})
	serveUDP(t, nil, "127.0.0.53:53")
	if got, err := ask(t.Context(), ns, "udp", "10.0.2.3:53"); err != nil || hostOf(got) != "127.0.0.1" {
		t.Errorf("forwarder: %q, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join("/proc", fdPID(s), "root/run/user")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("helper sees /run/user: %v", err)
	}
}

func fdPID(s *Session) string { return utoa(uint64(s.PID())) }
