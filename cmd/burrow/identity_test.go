package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/burrow-run/burrow/internal/testbed"
)

// TestTwoDebians shows that two containers of one image share no ID but the
// caller's, and that each is a whole Debian: accounts, owners, packages.
func TestTwoDebians(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		deb := makePackage(t, sh)
		script := `set -e
			echo shadow $(stat -c %u:%g /etc/shadow)
			useradd -m worker && echo useradd $(id worker)
			su worker -c 'touch /home/worker/x' && echo owner $(stat -c %U:%G /home/worker/x)
			touch /c && chown 33:44 /c && echo chown $(stat -c %u:%g /c)
			chown -R games:mail /var/spool && chgrp shadow /c && chmod 2750 /c
			dpkg -i /p.deb >/dev/null && echo dpkg $(burrow-e2e-hello) $(stat -c %U /var/lib/burrow-e2e)
			apt-get --version >/dev/null && dpkg --audit && echo audit clean
			touch /done; exec sleep 1000`
		const want = "shadow 0:42\nuseradd uid=1000(worker) gid=1000(worker) groups=1000(worker)\nowner worker:worker\n" +
			"chown 33:44\ndpkg hello games\naudit clean\n"
		pids := map[string]int{}
		var wg sync.WaitGroup
		var mu sync.Mutex
		for _, name := range []string{"one", "two"} {
			wg.Go(func() {
				out := filepath.Join(sh.work, name+".out")
				pid := sh.start(name, "-v", deb+":/p.deb:ro", "-v", sh.work+":/w", "debian", "sh", "-c", "exec >/w/"+name+".out 2>&1; "+script)
				waitFor(t, func() bool {
					b, _ := os.ReadFile(out)
					return strings.Contains(string(b), "audit clean") || strings.Contains(string(b), "rror")
				})
				b, _ := os.ReadFile(out)
				if string(b) != want {
					t.Errorf("%s:\n%swant:\n%s", name, b, want)
				}
				mu.Lock()
				pids[name] = pid
				mu.Unlock()
			})
		}
		wg.Wait()
		disjointIDs(t, sh, pids["one"], pids["two"])
	})
}

// makePackage builds a package with a program, a directory that another user
// owns and a maintainer script.
func makePackage(t *testing.T, sh *shell) string {
	t.Helper()
	dir := filepath.Join(sh.work, "pkg")
	files := map[string]string{
		"DEBIAN/control": "Package: burrow-e2e-hello\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: a test\n",
		"DEBIAN/postinst": "#!/bin/sh\nset -e\nmkdir -p /var/lib/burrow-e2e\nchown games:games /var/lib/burrow-e2e\nchmod 2770 /var/lib/burrow-e2e\n" +
			"dpkg-statoverride --list /var/lib/burrow-e2e >/dev/null || dpkg-statoverride --add games games 2770 /var/lib/burrow-e2e\n",
		"usr/bin/burrow-e2e-hello": "#!/bin/sh\necho hello\n",
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	deb := filepath.Join(sh.work, "p.deb")
	sh.run("dpkg-deb", "--root-owner-group", "--build", dir, deb)
	return deb
}

// TestManyAtOnce shows how many containers of a Debian image a user with 65,536
// sub-IDs may have at once: 60 at least, then more until the ledger is full,
// then one clear error; and that all IDs are free again afterwards.
func TestManyAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("starts more than sixty containers")
	}
	asUser(t, func(t *testing.T, sh *shell) {
		running := 0
		var full result
		for running < 100 {
			r := sh.background(fmt.Sprintf("m%d", running))
			if r.code != 0 {
				full = r
				break
			}
			running++
		}
		t.Logf("%d at once; then: %s", running, full.err)
		if running < 60 {
			t.Fatalf("only %d containers at once: %s", running, full.err)
		}
		if full.code != 125 || !voice.MatchString(full.err) || !strings.Contains(full.err, "hint: ") {
			t.Errorf("when the ledger is full: exit code %d, %q", full.code, full.err)
		}
		seen := map[int]string{}
		for i := range running {
			for _, r := range lowerRanges(t, sh.pid(fmt.Sprintf("m%d", i))) {
				if r[0] == sh.user.UID {
					continue
				}
				if other, ok := seen[r[0]]; ok {
					t.Errorf("m%d has the same IDs as %s", i, other)
				}
				seen[r[0]] = fmt.Sprintf("m%d", i)
			}
		}
		sh.run("burrow", "rm", "-f", "-a")
		waitFor(t, func() bool { return sh.try("burrow", "ps", "-q").out == "" })
		// All IDs are free: one container may have nearly all of them.
		sh.run("burrow", "run", "--rm", "--userns=auto:size=60000", "busybox", "true")
		if left, err := testbed.Left(sh.getenv("XDG_STATE_HOME"), sh.runtime); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	})
}

// background starts a container and returns once it runs or has failed.
func (sh *shell) background(name string) result {
	sh.t.Helper()
	log := filepath.Join(sh.work, name+".log")
	script := `burrow run --rm --name "$1" --pidfile "$1.pid" debian sleep 1000 >/dev/null 2>"$2" & p=$!
		i=0; until [ -s "$1.pid" ]; do
			kill -0 $p 2>/dev/null || { wait $p; exit $?; }
			sleep 0.02; i=$((i+1)); [ $i -lt 1500 ] || exit 99; done`
	r := sh.try("sh", "-c", script, "sh", name, log)
	b, _ := os.ReadFile(log)
	r.err += string(b)
	return r
}

func (sh *shell) pid(name string) int {
	sh.t.Helper()
	var pid int
	b, err := os.ReadFile(filepath.Join(sh.work, name+".pid"))
	if err == nil {
		_, err = fmt.Sscan(string(b), &pid)
	}
	if err != nil {
		sh.t.Fatal(err)
	}
	return pid
}
