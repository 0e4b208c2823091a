package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Attacks on what Burrow does with names in a container's files.

// TestMountDestinationRace shows V07 and V08 (CVE-2024-45310, CVE-2021-30465):
// a container exchanges a directory of a shared volume with a link, while others
// start with a mount on that name. Nothing is made on the host, and nothing is
// mounted but in the container's own root. The control makes a directory by the
// same name as a helper on the host would.
func TestMountDestinationRace(t *testing.T) {
	buildProbe(t)
	asUser(t, func(t *testing.T, sh *shell) {
		host, shared, given := filepath.Join(sh.work, "host"), filepath.Join(sh.work, "shared"), filepath.Join(sh.work, "given")
		for _, dir := range []string{host, filepath.Join(shared, "d"), given} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(host, filepath.Join(shared, "l")); err != nil {
			t.Fatal(err)
		}
		sh.start("swaps", "-v", shared+":/v", "-v", probePath()+":/probe:ro", "busybox", "/probe", "exchange", "/v/d", "/v/l")
		waitFor(t, func() bool { // that the control is led out, or the race shows nothing
			dir := filepath.Join(shared, "d", "control")
			for range 100 {
				_ = os.Mkdir(dir, 0o755)
				_ = os.Remove(dir)
			}
			_, err := os.Stat(filepath.Join(host, "control"))
			return err == nil
		})
		sh.run("sh", "-c", `rm -rf "$1"/*`, "sh", host)
		came := 0
		for i := range 60 {
			name := fmt.Sprint("x", i)
			r := sh.try("burrow", "run", "--rm", "-v", shared+":/v", "-v", given+":/v/d/"+name, "busybox", "cut", "-d ", "-f5", "/proc/self/mountinfo")
			if r.code == 0 {
				came++
			} else if r.code != 125 || !voice.MatchString(r.err) {
				t.Errorf("run %d: %d %s", i, r.code, r.err)
			}
			for at := range strings.Lines(r.out) {
				at = strings.TrimSpace(at)
				// The link, resolved in the container, is a directory of its own root.
				if strings.HasSuffix(at, "/"+name) && !strings.HasPrefix(at, "/v/") && at != filepath.Join(host, name) {
					t.Errorf("mounted on %s", at)
				}
			}
			if left := sh.run("ls", "-A", host); left != "" {
				t.Fatalf("run %d left on the host: %s(%s)", i, left, r.err)
			}
		}
		if came == 0 {
			t.Error("no container came up at all")
		}
		t.Logf("%d of 60 containers came up", came)
	})
}

// TestTerminalOnAHostileImage shows V03 (CVE-2025-52565): with a terminal,
// /dev/console is that terminal and nothing that the image has put there, and
// what must be masked or read-only still is.
func TestTerminalOnAHostileImage(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		const look = `stat -c %F:%t /dev/console; readlink /dev/console; head -c 10 /proc/interrupts | wc -c
			(echo 1 >/proc/sysrq-trigger) 2>/dev/null && echo wrote; (echo x >/proc/sys/kernel/core_pattern) 2>/dev/null && echo wrote; true`
		const want = "character special file:88\n0\n"
		for name, plant := range map[string]string{
			"plain":   `true`,
			"links":   `mkdir dev; ln -s /proc/sys/kernel/core_pattern dev/console; ln -s /proc/sysrq-trigger dev/null; ln -s /proc dev/pts`,
			"file":    `mkdir dev; echo x >dev/console; echo x >dev/null; echo x >dev/pts`,
			"devlink": `ln -s proc/sys dev`,
		} {
			root := filepath.Join(sh.work, "root-"+name)
			sh.run("sh", "-c", `mkdir -p "$1"/bin "$1"/proc "$1"/sys; cp /bin/busybox "$1"/bin/; for a in sh stat readlink head wc; do ln -s busybox "$1"/bin/$a; done; cd "$1"; `+plant, "sh", root)
			r := sh.try("burrow", "run", "--rm", "-t", "--rootfs", root, "sh", "-c", look)
			got := strings.ReplaceAll(r.out, "\r", "")
			if r.code == 125 && name == "devlink" {
				continue // refused: fine as well
			}
			if got != want {
				t.Errorf("%s (%d): %q, want %q %s", name, r.code, got, want, r.err)
			}
		}
		// The control: the same questions can be answered otherwise.
		if out := sh.in(look, "--security-opt", "unmask=ALL"); strings.HasSuffix(out, "\n0\n") {
			t.Errorf("control: %q", out)
		}
	})
}

// TestEverythingOfOursIsPrivate shows V61 (CVE-2021-41091, CVE-2020-15257):
// every directory that Burrow makes is its user's alone, or lies in one that is,
// and no socket of it is in the abstract namespace, where file modes do not count.
func TestEverythingOfOursIsPrivate(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		sockets := func() map[string]bool {
			b, err := os.ReadFile("/proc/net/unix")
			if err != nil {
				t.Fatal(err)
			}
			out := map[string]bool{}
			for line := range strings.Lines(string(b)) {
				if f := strings.Fields(line); len(f) == 8 && strings.HasPrefix(f[7], "@") {
					out[f[7]] = true
				}
			}
			return out
		}
		before := sockets()
		sh.run("burrow", "volume", "create", "v")
		sh.run("burrow", "run", "-d", "--name", "c", "-v", "v:/v", "busybox", "sleep", "1000")
		for s := range sockets() {
			if !before[s] && strings.Contains(s, "burrow") {
				t.Errorf("abstract socket %s", s)
			}
		}
		checked := 0
		for _, name := range []string{"XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME", "XDG_DATA_HOME"} {
			dir := filepath.Join(sh.getenv(name), "burrow")
			info, err := os.Stat(dir)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			// The test's own data directory has links in it, so only what it made below.
			if name == "XDG_DATA_HOME" {
				dir = filepath.Join(dir, "volumes")
				if info, err = os.Stat(dir); err != nil {
					t.Error(err)
					continue
				}
			}
			checked++
			if info.Mode().Perm() != 0o700 {
				t.Errorf("%s has mode %v", dir, info.Mode())
			}
		}
		if checked == 0 {
			t.Error("nothing was there to check")
		}
		sh.run("burrow", "rm", "-f", "c")
	})
}
