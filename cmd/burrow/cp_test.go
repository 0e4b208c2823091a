package main_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/burrow-run/burrow/internal/testbed"
)

const canaryText = "a secret of the host's"

// swapping changes /d between a directory and a link that leads to $1 on the
// host, as fast as a shell can.
const swapping = `mkdir /d /d/sub && echo inside >/d/f && ln -s "$1" /l
while :; do mv /d /e; mv /l /d; mv /d /l; mv /e /d; done`

// TestCopyRace shows V27 (CVE-2018-15664, CVE-2019-10152): a running container
// that swaps a directory for a link leads no copy out of its root, in neither
// direction. The control resolves the same path as a helper on the host would.
func TestCopyRace(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		host := filepath.Join(sh.work, "host")
		if err := os.MkdirAll(filepath.Join(host, "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
		canary := filepath.Join(host, "f")
		if err := os.WriteFile(canary, []byte(canaryText), 0o644); err != nil {
			t.Fatal(err)
		}
		pid := sh.start("hostile", "busybox", "sh", "-c", swapping, "sh", host)
		control := fmt.Sprintf(`for i in $(seq 2000); do cat /proc/%d/root/d/f 2>/dev/null; done; :`, pid)
		if err := os.WriteFile(filepath.Join(sh.work, "in"), []byte("planted"), 0o644); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(sh.run("burrow", "unshare", "sh", "-c", control), canaryText) {
			t.Fatal("the control was never led out: the race shows nothing")
		}
		copied := 0
		for i := range 60 {
			out := filepath.Join(sh.work, fmt.Sprintf("out%d", i))
			sh.try("burrow", "cp", "hostile:/d", out)
			if b, _ := os.ReadFile(filepath.Join(out, "f")); len(b) > 0 {
				copied++
			}
			if r := sh.try("grep", "-rq", canaryText, out); r.code == 0 {
				t.Fatalf("%s has the host's file", out)
			}
			for _, args := range [][]string{{"hostile:/d/f", "-"}, {"in", "hostile:/d/f"}, {"in", "hostile:/d/sub/in"}, {"in", "hostile:/d"}} {
				if r := sh.try(append([]string{"burrow", "cp"}, args...)...); strings.Contains(r.out, canaryText) {
					t.Fatalf("burrow cp %v: %s", args, r.out)
				}
			}
		}
		if copied == 0 {
			t.Error("nothing was copied at all")
		}
		if b, _ := os.ReadFile(canary); string(b) != canaryText {
			t.Errorf("the host's file is now %q", b)
		}
		if left := sh.run("find", host); left != host+"\n"+host+"/sub\n"+canary+"\n" && left != host+"\n"+canary+"\n"+host+"/sub\n" {
			t.Errorf("the host's directory is now\n%s", left)
		}
	})
}

// TestCopyExecutesNothing shows V26 (CVE-2019-14271): by the time cp reads a
// stranger's bytes it cannot execute anything, of the container or elsewhere.
func TestCopyExecutesNothing(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		sh.start("c", "busybox", "sleep", "1000")
		cmd := sh.command("burrow", "cp", "-", "c:/tmp")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() {
			in.Close()
			_ = cmd.Wait() // an archive that ends at once
		}()
		if _, err := io.WriteString(in, "\x1f\x8b"); err != nil { // gzip: others would start a program for it
			t.Fatal(err)
		}
		var got map[string]string
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if got = status(t, fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)); got["Seccomp"] == "2" {
				break
			}
		}
		if got["Seccomp"] != "2" || got["NoNewPrivs"] != "1" {
			t.Errorf("cp reads with Seccomp %s, NoNewPrivs %s", got["Seccomp"], got["NoNewPrivs"])
		}
		below, err := testbed.Below(cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range below {
			if strings.Contains(p.Command, "gzip") || strings.Contains(p.Command, "pigz") {
				t.Errorf("%s was started", p)
			}
		}
	})
}
