package main_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Attacks on what enters a container: its first process and every exec.

// TestNoDescriptorLeadsOut shows V01 (CVE-2024-21626): the directory to start
// in, whoever names it, is no way to a directory of the host that somebody has
// open, and nothing but the standard streams is open. The control makes the
// same step outside: there it arrives.
func TestNoDescriptorLeadsOut(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		host := filepath.Join(sh.work, "host")
		if err := os.Mkdir(host, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(host, "canary"), []byte(canaryText), 0o644); err != nil {
			t.Fatal(err)
		}
		dir, err := os.Open(host)
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		sh.start("a", "busybox", "sleep", "1000")
		look := func(args ...string) string {
			cmd := sh.command(args...)
			for range 24 { // 3 to 26
				cmd.ExtraFiles = append(cmd.ExtraFiles, dir)
			}
			out, _ := cmd.CombinedOutput() // refused, or started elsewhere
			return string(out)
		}
		const peek = "cat canary; ls /proc/self/fd | tail -n +5"
		if out := look("sh", "-c", "cd -P /proc/self/fd/7 && "+peek); !strings.Contains(out, canaryText) {
			t.Fatalf("control: the descriptor leads nowhere: %s", out)
		}
		for n := range 30 {
			at := "/proc/self/fd/" + strconv.Itoa(n)
			sh.try("burrow", "rmi", "-f", "leads")
			sh.run("burrow", "commit", "-q", "--change", "WORKDIR "+at, "a", "leads")
			for _, args := range [][]string{
				{"burrow", "run", "--rm", "-w", at, "busybox", "sh", "-c", peek},
				{"burrow", "run", "--rm", "leads", "sh", "-c", peek},
				{"burrow", "exec", "-w", at, "a", "sh", "-c", peek},
			} {
				if out := look(args...); strings.Contains(out, canaryText) {
					t.Errorf("%v: %s", args, out)
				}
			}
		}
		sh.run("burrow", "rmi", "-f", "leads")
	})
}

// TestExecCannotBeAmbushed shows V11 (CVE-2016-9962): container root that waits
// for a process to join gets hold of none of the descriptors that it comes with.
// Without Landlock neither: the gate has a capability more than container root. With
// CAP_SYS_PTRACE it may see those of the gate, which are its own, but nothing of the
// host. The control is a process of the container that has a descriptor.
func TestExecCannotBeAmbushed(t *testing.T) {
	buildProbe(t)
	asUser(t, func(t *testing.T, sh *shell) {
		for name, c := range map[string]struct {
			flags   []string
			allowed *regexp.Regexp
		}{
			"default":     {nil, regexp.MustCompile(`^$`)},
			"no landlock": {[]string{"--security-opt", "landlock=off"}, regexp.MustCompile(`^$`)},
			"no rights":   {[]string{"--security-opt", "landlock=off", "--cap-drop=all"}, regexp.MustCompile(`^$`)},
			"tracing":     {[]string{"--security-opt", "landlock=off", "--cap-add", "SYS_PTRACE"}, gateOnly},
		} {
			out := ambush(sh, c.flags...)
			controls, others, bad := 0, 0, map[string]bool{}
			for line := range strings.Lines(out) {
				link, ok := strings.CutPrefix(strings.TrimSpace(line), "fd ")
				switch {
				case !ok:
				case link == "/etc/hostname":
					controls++
				case c.allowed.MatchString(link):
					others++
				default:
					bad[link] = true
				}
			}
			for link := range bad {
				t.Errorf("%s: got hold of %q", name, link)
			}
			if controls == 0 || !strings.Contains(out, "seen ") {
				t.Errorf("%s: the control was not seen:\n%s", name, out)
			}
			t.Logf("%s: %d sights of the control, %d of the gate", name, controls, others)
			if name == "tracing" && others == 0 {
				t.Errorf("%s: the gate was not seen, so it is not shown that the others' was kept from view", name)
			}
		}
	})
}

// TestNeighbourCannotBeAmbushed is TestExecCannotBeAmbushed for a container that is started
// with the processes, and so the IDs, of another one: --pid=container. The control is the
// same with CAP_SYS_PTRACE.
func TestNeighbourCannotBeAmbushed(t *testing.T) {
	buildProbe(t)
	asUser(t, func(t *testing.T, sh *shell) {
		for name, c := range map[string]struct {
			flags []string
			seen  bool
		}{
			"default":     {nil, false},
			"no landlock": {[]string{"--security-opt", "landlock=off"}, false},
			"tracing":     {[]string{"--security-opt", "landlock=off", "--cap-add", "SYS_PTRACE"}, true},
		} {
			args := append([]string{"burrow", "run", "-d", "--name", "ambush", "-v", probePath() + ":/probe:ro"}, c.flags...)
			sh.run(append(args, "busybox", "/probe", "ambush", "8")...)
			for range 25 {
				args := append([]string{"burrow", "run", "--rm", "--pid=container:ambush"}, c.flags...)
				sh.try(append(args, "busybox", "true")...)
			}
			sh.run("burrow", "wait", "ambush")
			out := sh.run("burrow", "logs", "ambush")
			sh.run("burrow", "rm", "-f", "ambush")
			if strings.Contains(out, "burrow-gate") != c.seen || !strings.Contains(out, "seen ") {
				t.Errorf("%s: the gate was seen, or not where it can be:\n%.2000s", name, out)
			}
		}
	})
}

// TestGuardIsGone: what keeps a process that joins without Landlock from being traced is not
// left to it. What it has is what one has that joins with Landlock; the control is that
// the sets of different containers differ.
func TestGuardIsGone(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		seen := map[string]bool{}
		for _, caps := range []string{"--cap-drop=all", "--cap-drop=setpcap", "--cap-add=wake_alarm", "--cap-add=sys_time"} {
			sh.run("burrow", "run", "-d", "--name", "with", caps, "busybox", "sleep", "1000")
			sh.run("burrow", "run", "-d", "--name", "without", "--security-opt", "landlock=off", caps, "busybox", "sleep", "1000")
			for _, flags := range [][]string{{"-u", "0"}, {"-u", "1000"}, {"--privileged", "-u", "0"}} {
				of := func(name string) string {
					args := append(append([]string{"burrow", "exec"}, flags...), name, "grep", "^Cap\\|^NoNewPrivs", "/proc/self/status")
					return sh.run(args...)
				}
				with, without := of("with"), of("without")
				if with != without || !strings.Contains(without, "CapAmb:\t0000000000000000") {
					t.Errorf("%s, exec %v: %q, with Landlock %q", caps, flags, without, with)
				}
				seen[without] = true
			}
			sh.run("burrow", "rm", "-f", "-t", "0", "with", "without")
		}
		if len(seen) < 6 {
			t.Errorf("control: only %d different sets", len(seen))
		}
	})
}

// gateOnly is what the gate has open: its program, and the one socket that it answers on.
// libcontainer's would be another.
var gateOnly = regexp.MustCompile(`^(/memfd:burrow-gate(:[0-9a-f]{64})? \(deleted\)|socket:\[\d+\])$`)

// ambush lies in wait while 25 processes come in, and returns what it has seen.
func ambush(sh *shell, flags ...string) string {
	args := append([]string{"burrow", "run", "-d", "--name", "ambush", "-v", probePath() + ":/probe:ro"}, flags...)
	sh.run(append(args, "busybox", "sh", "-c", `sh -c "exec 9</etc/hostname; sleep 100" & exec /probe ambush 8`)...)
	defer sh.run("burrow", "rm", "-f", "ambush")
	for range 25 {
		sh.try("burrow", "exec", "ambush", "/bin/true")
	}
	sh.run("burrow", "wait", "ambush")
	return sh.run("burrow", "logs", "ambush")
}

// TestExecutablesCannotBeOverwritten shows V09 (CVE-2019-5736): an image whose
// program is "/proc/self/exe" and that writes to /proc/PID/exe of whoever comes
// changes no executable of ours.
func TestExecutablesCannotBeOverwritten(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		sums := func() (out string) {
			for _, name := range []string{"burrow", "burrow-image"} {
				b, err := os.ReadFile(filepath.Join(ground.Bin, name))
				if err != nil {
					t.Fatal(err)
				}
				out += fmt.Sprintf("%x\n", sha256.Sum256(b))
			}
			return out
		}
		before := sums()
		dir := filepath.Join(sh.work, "root")
		if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "entry"), []byte("#!/proc/self/exe\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		sh.run("cp", "/bin/busybox", filepath.Join(dir, "bin", "sh"))
		if r := sh.try("burrow", "run", "--rm", "--rootfs", dir, "/entry"); r.code == 0 {
			t.Errorf("/proc/self/exe runs: %s%s", r.out, r.err)
		}
		const overwrite = `n=0; while [ ! -e /end ]; do for p in /proc/[0-9]*; do
			case $p in /proc/$$|/proc/1) continue;; esac
			(printf x >$p/exe) 2>/dev/null && echo "wrote to $(readlink $p/exe)"; done; n=$((n+1)); done; echo rounds $n
			cp /bin/sh /idle; (/idle -c 'read x' <&3 & p=$!; kill -9 $p; wait $p 2>/dev/null; printf x >/idle && echo control) 3</dev/null`
		sh.run("burrow", "run", "-d", "--name", "w", "busybox", "sh", "-c", overwrite)
		for range 20 {
			sh.try("burrow", "exec", "w", "/bin/true")
		}
		sh.run("burrow", "exec", "w", "touch", "/end")
		sh.run("burrow", "wait", "w")
		out := sh.run("burrow", "logs", "w")
		if strings.Contains(out, "wrote") || !strings.Contains(out, "control") || strings.Contains(out, "rounds 0") {
			t.Error(out)
		}
		sh.run("burrow", "rm", "w")
		if after := sums(); after != before {
			t.Errorf("executables changed: %s, were %s", after, before)
		}
	})
}

// TestTopExecutesNothing shows V25 (CVE-2022-1227): `top` is the engine's own,
// whatever programs and libraries the container has.
func TestTopExecutesNothing(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		sh.start("t", "debian", "sh", "-c", `for p in ps nsenter top getent id sh sleep; do
			rm -f /usr/bin/$p /usr/local/bin/$p; printf '#!/bin/dash\ntouch /marker\n' >/usr/local/bin/$p; chmod 755 /usr/local/bin/$p; done
			echo /usr/local/lib/evil.so >/etc/ld.so.preload; touch /ready; while :; do read x </dev/zero; done`)
		waitFor(t, func() bool { return sh.try("burrow", "exec", "t", "test", "-e", "/ready").code == 0 })
		out := sh.run("burrow", "top", "t")
		if !strings.Contains(out, "/ready") || !strings.Contains(out, "PID") {
			t.Errorf("top: %s", out)
		}
		sh.try("burrow", "top", "t", "pid", "user", "comm")
		sh.try("burrow", "stats", "--no-stream", "t")
		if r := sh.try("burrow", "exec", "t", "test", "-e", "/marker"); r.code != 1 {
			t.Errorf("a program of the container ran: %d %s", r.code, r.err)
		}
		// The control: what runs in the container does find them.
		sh.run("burrow", "exec", "t", "ps")
		if r := sh.try("burrow", "exec", "t", "test", "-e", "/marker"); r.code != 0 {
			t.Errorf("control: the planted program leaves no marker: %d %s", r.code, r.err)
		}
	})
}
