package launch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/nstest"
	"github.com/burrow-run/burrow/internal/probe"
	"github.com/burrow-run/burrow/security"
)

// allowBut is a filter that lets everything pass but one system call.
func allowBut(nr uint32, errno uint32) *security.Program {
	insns := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: nr, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: 0x50000 | errno}, // SECCOMP_RET_ERRNO
		{Code: unix.BPF_RET | unix.BPF_K, K: 0x7fff0000},
	}
	var b bytes.Buffer
	_ = binary.Write(&b, binary.NativeEndian, insns)
	return &security.Program{Instructions: b.Bytes()}
}

func TestGateLoadsTheFilter(t *testing.T) {
	g := gateOf(t, sh("grep Seccomp: /proc/self/status; mkdir /tmp/x 2>&1"), allowBut(unix.SYS_MKDIR, uint32(unix.EXDEV)))
	if _, err := g.end(t); err != nil || !strings.Contains(g.out.String(), "Seccomp:\t2") || !strings.Contains(g.out.String(), "cross-device") {
		t.Errorf("%v %q", err, g.out.String())
	}
	// A filter is no reason to lose an error.
	g = gateOf(t, Config{Args: []string{"/bin/true"}}, allowBut(unix.SYS_EXECVE, uint32(unix.EPERM)))
	if code, err := g.end(t); !errors.Is(err, syscall.EPERM) || code != 126 {
		t.Errorf("%v %d", err, code)
	}
	bad := allowBut(0, 0)
	bad.Instructions[0] = 0xff
	var e *ExecError
	if _, err := gateOf(t, sh("echo ran"), bad).end(t); !errors.As(err, &e) || e.Step != GateSeccomp {
		t.Errorf("%v", err)
	}
}

func TestGateEntersLandlock(t *testing.T) {
	nstest.Need(t, probe.Landlock)
	const all = 1<<13 - 1 // ABI 1
	dir := t.TempDir()
	c := sh("echo x >" + dir + "/f && cat " + dir + "/f; echo y >&3")
	out, err := os.OpenFile(dir+"/open", os.O_CREATE|os.O_WRONLY, 0o600)
	must(t, err)
	defer out.Close()
	c.Policy.Landlock = &security.Ruleset{ABI: 1, HandledFS: all, Rules: []security.BeneathRule{{Path: "/", FD: -1, Access: all}}}
	g := gateOf(t, c, nil, out)
	if code, err := g.end(t); err != nil || code != 0 || g.out.String() != "x\n" {
		t.Errorf("%v %d %q", err, code, g.out.String())
	}
	c.Policy.Landlock.Rules = nil // then not even the program may be read
	if code, err := gateOf(t, c, nil).end(t); !errors.Is(err, syscall.EACCES) || code != 126 {
		t.Errorf("%v %d", err, code)
	}
	// A descriptor of a directory gives no way back to it.
	top, err := os.Open("/")
	must(t, err)
	defer top.Close()
	c.Policy.Landlock.Rules = []security.BeneathRule{{FD: 3, Access: all}}
	if _, err := gateOf(t, c, nil, top).end(t); !errors.Is(err, syscall.EACCES) {
		t.Errorf("a directory opened everything: %v", err)
	}
	c.Policy.Landlock = &security.Ruleset{ABI: 1, HandledFS: 1 << 63}
	var e *ExecError
	if _, err := gateOf(t, c, nil).end(t); !errors.As(err, &e) || e.Step != GateLandlock {
		t.Errorf("%v", err)
	}
}

func TestGateSetsTheLabel(t *testing.T) {
	if _, err := os.Stat("/sys/fs/selinux/enforce"); err == nil {
		t.Skip("SELinux is on: what a label does is tested in the machine")
	}
	c := sh("echo ran")
	c.Policy.SELinux.ProcessLabel = "system_u:system_r:container_t:s0"
	g := gateOf(t, c, nil)
	code, err := g.end(t)
	var e *ExecError
	if !errors.As(err, &e) || e.Step != GateLabel || code != 126 || g.out.Len() != 0 {
		t.Errorf("a label that cannot be set: %v, %d, %q", err, code, g.out.String())
	}
}

// The payload dies with its parent, even if that died before it could ask.
func TestGateDiesWithItsParent(t *testing.T) {
	pid := t.TempDir() + "/pid"
	c := sh("echo $$ >" + pid + "; exec sleep 1000")
	c.DieWithParent = true
	program, err := encodeGate(c, nil, guard{})
	must(t, err)
	file, err := programFile(program, "x")
	must(t, err)
	defer file.Close()
	status, write, err := newStatus()
	must(t, err)
	defer status.Close()
	defer write.Close()
	go readGate(status, "x") //nolint:errcheck // it answers
	// The parent is a shell that waits; exec -a gives the gate its name.
	self, err := os.Executable()
	must(t, err)
	parent := exec.Command("/bin/bash", "-c", `(exec -a /proc/self/exe "$0" gate:3:4) & wait`, self)
	parent.ExtraFiles = []*os.File{file, write}
	must(t, parent.Start())
	waitFor(t, "the payload", func() bool { b, _ := os.ReadFile(pid); return len(b) > 1 })
	b, err := os.ReadFile(pid)
	must(t, err)
	proc := "/proc/" + strings.TrimSpace(string(b)) + "/status"
	must(t, parent.Process.Kill())
	_ = parent.Wait()
	waitFor(t, "the payload's end", func() bool {
		status, err := os.ReadFile(proc)
		return err != nil || strings.Contains(string(status), "State:\tZ")
	})

	read, write, err := newStatus()
	must(t, err)
	read.Close() // the parent is gone
	defer write.Close()
	late := exec.Command("/proc/self/exe")
	late.Args = []string{"/proc/self/exe", "gate:3:4"}
	late.ExtraFiles = []*os.File{file, write}
	if err := late.Run(); err == nil {
		t.Error("ran without a parent")
	}
}

// A parent that is about to end has the socket open and answers no more.
func TestGateWaitsForItsParent(t *testing.T) {
	c := sh("echo ran")
	c.DieWithParent = true
	g := gateOf(t, c, nil)
	var msg [4]int32
	must(t, binary.Read(g.status, binary.NativeEndian, &msg))
	if GateStep(msg[0]) != GateStarted || GateStep(msg[2]) != gateArmed {
		t.Fatal(msg)
	}
	time.Sleep(50 * time.Millisecond)
	must(t, g.status.Close())
	_ = g.cmd.Wait()
	if code := g.cmd.ProcessState.ExitCode(); code != 126 || g.out.Len() != 0 {
		t.Errorf("%d, %q", code, g.out.String())
	}
}

func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
