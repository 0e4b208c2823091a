package launch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/burrow-run/burrow/security"
)

// The layout that gate.c asserts, field by field.
func TestGateLayout(t *testing.T) {
	c := Config{Args: []string{"a", "bc"}, Env: []string{"K=v"}, InitArgs: 1, DieWithParent: true}
	c.Policy.Landlock = &security.Ruleset{ABI: 6, HandledFS: 0x1122334455667788, Scoped: 3, Rules: []security.BeneathRule{
		{Path: "/", FD: 9, Access: 0x0102030405060708}, {FD: 2, Access: 1, Optional: true},
	}}
	c.Policy.SELinux.ProcessLabel = "lbl"
	filter := &security.Program{Instructions: bytes.Repeat([]byte{0xf1}, 16), Flags: 0x55}
	got, err := encodeGate(c, filter, guard{raised: 7 << 33, unbound: 3 << 33})
	must(t, err)
	var want []byte
	for _, v := range []any{
		uint32(gateMagic), uint32(24), // magic, landlock_size
		uint64(0x1122334455667788), uint64(0), uint64(3), // landlock_fs, _net, _scoped
		uint64(7 << 33), uint64(3 << 33), // raised, unbound
		uint32(2), uint32(4), uint32(16), uint32(0x55), // rule_count, label_len, seccomp_len, seccomp_flags
		uint32(gateDieWithParent), uint32(2), uint32(1), uint32(9), uint32(1), uint32(0), // flags, argc, envc, strings_len, init_args
		uint64(0x0102030405060708), int32(-1), uint32(0), // a rule for "/" names no descriptor
		uint64(1), int32(2), uint32(1),
		[]byte("lbl\x00"), filter.Instructions, []byte("a\x00bc\x00K=v\x00"),
	} {
		want, err = binary.Append(want, binary.NativeEndian, v)
		must(t, err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got  % x\nwant % x", got, want)
	}
	if n := binary.Size(gateProgram{}); n != 88 {
		t.Errorf("the header has %d bytes", n)
	}
	for abi, size := range map[int]uint32{1: 8, 3: 8, 4: 16, 5: 16, 6: 24, 9: 24} {
		if got := landlockSize(abi); got != size {
			t.Errorf("ABI %d: %d bytes", abi, got)
		}
	}
	c.Policy.Landlock.Rules[0].Path = "/etc"
	if _, err := encodeGate(c, nil, guard{}); err == nil {
		t.Error("a rule for any path passed")
	}
	if got, err := encodeGate(Config{}, nil, guard{}); err != nil || len(got) != 88 {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// gated is a gate that has been started on a program.
type gated struct {
	cmd    *exec.Cmd
	status *os.File
	out    bytes.Buffer
}

// gate starts this executable as the gate, as libcontainer's init executes it.
func gate(t testing.TB, program []byte, more ...*os.File) *gated {
	t.Helper()
	file, err := programFile(program, "x")
	must(t, err)
	defer file.Close()
	read, write, err := newStatus()
	must(t, err)
	defer write.Close()
	t.Cleanup(func() { read.Close() })
	g := &gated{cmd: exec.Command("/proc/self/exe"), status: read}
	for i, f := range more {
		if f == nil {
			more[i] = file
		}
	}
	g.cmd.ExtraFiles = append(more, file, write)
	g.cmd.Args = []string{"/proc/self/exe", fmt.Sprintf("gate:%d:%d", 3+len(more), 4+len(more))}
	g.cmd.Stdout = &g.out
	must(t, g.cmd.Start())
	t.Cleanup(func() { _ = g.cmd.Process.Kill() })
	return g
}

func gateOf(t testing.TB, c Config, filter *security.Program, more ...*os.File) *gated {
	t.Helper()
	program, err := encodeGate(c, filter, guard{})
	must(t, err)
	return gate(t, program, more...)
}

// end says how far the gate came, and its exit code.
func (g *gated) end(t testing.TB) (code int, err error) {
	t.Helper()
	err = readGate(g.status, "PATH")
	_ = g.cmd.Wait()
	return g.cmd.ProcessState.ExitCode(), err
}

func sh(text string) Config {
	return Config{Args: []string{"/bin/sh", "-c", text}}
}

func TestGateRunsThePayload(t *testing.T) {
	g := gateOf(t, Config{Args: []string{"/bin/cat", "/proc/self/cmdline", "/proc/self/environ"}, Env: []string{"A=\xff\nb", "", "PATH=/x"}}, nil)
	if code, err := g.end(t); err != nil || code != 0 {
		t.Fatal(err, code)
	}
	if want := "/bin/cat\x00/proc/self/cmdline\x00/proc/self/environ\x00A=\xff\nb\x00\x00PATH=/x\x00"; g.out.String() != want {
		t.Errorf("%q", g.out.String())
	}
	g = gateOf(t, sh("kill -TERM $$"), nil)
	if code, err := g.end(t); err != nil || code != -1 {
		t.Error(err, code)
	}
}

// Nothing but what was preserved is open in the payload (CVE-2024-21626).
func TestGateLeavesNothingOpen(t *testing.T) {
	kept, err := os.Open("/dev/zero")
	must(t, err)
	defer kept.Close()
	g := gateOf(t, sh("ls -l /proc/$$/fd; true"), nil, nil, nil, kept, nil) // 3, 4 and 6 are gaps, 7 the program, 8 the pipe
	if _, err := g.end(t); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"memfd", " 3 ->", " 4 ->", " 6 ->", " 7 ->", " 8 ->"} {
		if strings.Contains(g.out.String(), gone) {
			t.Errorf("%q in\n%s", gone, g.out.String())
		}
	}
	if !strings.Contains(g.out.String(), " 5 -> /dev/zero") {
		t.Errorf("not preserved:\n%s", g.out.String())
	}
}

// The program is searched as execvpe(3) does it, and 126 is told from 127.
func TestGateSearches(t *testing.T) {
	top := t.TempDir()
	a, b, c := top+"/a", top+"/b", top+"/c"
	script(t, a, "denied", "#!/bin/sh\necho a", 0o644)
	script(t, b, "denied", "#!/bin/sh\necho b", 0o755)
	script(t, a, "twice", "#!/bin/sh\necho a", 0o755)
	script(t, b, "twice", "#!/bin/sh\necho b", 0o755)
	script(t, a, "closed", "", 0o644)
	script(t, a, "odd", "no format", 0o755)
	script(t, a, "orphan", "#!/no/such/interpreter", 0o755)
	script(t, a+"/dir", "x", "", 0o755)
	must(t, os.Symlink("loop", a+"/loop"))
	must(t, os.Symlink("nowhere", a+"/dangling"))
	for name, tc := range map[string]struct {
		file, path string
		errno      syscall.Errno
		out        string
	}{
		"first wins":              {"twice", a + ":" + b, 0, "a"},
		"goes on after denial":    {"denied", a + ":" + b, 0, "b"},
		"remembers the denial":    {"closed", a + ":" + b, syscall.EACCES, ""},
		"later denial":            {"closed", b + ":" + a, syscall.EACCES, ""},
		"nowhere":                 {"nosuch", a + ":" + b, syscall.ENOENT, ""},
		"no directory":            {"twice", "/nosuch:" + a + "/odd:" + b, 0, "b"},
		"directory is no program": {"dir", a, syscall.EACCES, ""},
		"no format":               {"odd", a + ":" + b, syscall.ENOEXEC, ""},
		"no interpreter":          {"orphan", a, syscall.ENOENT, ""},
		"loop":                    {"loop", a, syscall.ELOOP, ""},
		"dangling link":           {"dangling", a, syscall.ENOENT, ""},
		"empty name":              {"", a, syscall.ENOENT, ""},
		"absolute":                {b + "/denied", "", 0, "b"},
		"absolute, denied":        {a + "/denied", b, syscall.EACCES, ""},
		"absolute, not there":     {c + "/x", b, syscall.ENOENT, ""},
		"in a file":               {a + "/odd/x", b, syscall.ENOTDIR, ""},
		"empty element is here":   {"dir", ":" + b, syscall.ENOENT, ""},
		"endless":                 {"twice", strings.Repeat("/x", 5000) + ":" + b, 0, "b"},
		"last PATH counts":        {"twice", "/nosuch", 0, "a"},
	} {
		env := []string{"PATH=" + tc.path}
		if name == "last PATH counts" {
			env = append(env, "PATH="+a)
		}
		for _, look := range []bool{false, true} {
			cfg := Config{Args: []string{tc.file}, Env: env}
			want := tc.out + "\n"
			if look { // behind an init, which is found although it is no program of the image
				if tc.errno == syscall.ENOEXEC || name == "no interpreter" {
					continue // only execve can tell
				}
				cfg = Config{Args: append([]string{"/bin/echo", "init"}, tc.file), Env: env, InitArgs: 2}
				want = strings.TrimSpace("init "+tc.file) + "\n"
			}
			g := gateOf(t, cfg, nil)
			code, err := g.end(t)
			var e *ExecError
			switch {
			case tc.errno == 0:
				if err != nil || g.out.String() != want {
					t.Errorf("%s: %v %q", name, err, g.out.String())
				}
			case !errors.As(err, &e) || e.Step != GateExec || !errors.Is(err, tc.errno):
				t.Errorf("%s: %v, want %v", name, err, tc.errno)
			case code != map[bool]int{true: 127, false: 126}[tc.errno == syscall.ENOENT]:
				t.Errorf("%s: exit code %d", name, code)
			}
		}
	}
}

func TestGateRefusesDamagedPrograms(t *testing.T) {
	good, err := encodeGate(sh("exit 9"), &security.Program{Instructions: make([]byte, 16)}, guard{})
	must(t, err)
	set := func(offset int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { binary.NativeEndian.PutUint32(b[offset:], v); return b }
	}
	for name, damage := range map[string]func([]byte) []byte{
		"empty":                  func([]byte) []byte { return nil },
		"header only in part":    func(b []byte) []byte { return b[:40] },
		"cut":                    func(b []byte) []byte { return b[:len(b)-1] },
		"longer":                 func(b []byte) []byte { return append(b, 0) },
		"magic":                  set(0, 1),
		"rules":                  set(48, 1<<31),
		"rules that wrap":        set(48, 0xffffffff),
		"label":                  set(52, 5),
		"filter of half a step":  set(56, 12),
		"argc":                   set(68, 1000),
		"argc that wraps":        set(68, 0xffffffff),
		"no arguments":           set(68, 0),
		"environment":            set(72, 9),
		"all is for the init":    set(80, 3),
		"strings do not end":     func(b []byte) []byte { b[len(b)-1] = 'x'; return b },
		"Landlock of the future": set(4, 999),
	} {
		g := gate(t, damage(bytes.Clone(good)))
		code, err := g.end(t)
		var e *ExecError
		if !errors.As(err, &e) || e.Step != GateProgram && e.Step != GateLandlock || code != 126 {
			t.Errorf("%s: %v, exit code %d", name, err, code)
		}
	}
	// Without a pipe, or a program, nobody can be told.
	for _, arg := range []string{"gate:x", "gate:3:99", "gate:99:98"} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Args = []string{"/proc/self/exe", arg}
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != 126 {
			t.Errorf("%s: %v", arg, err)
		}
	}
}

func TestReadGate(t *testing.T) {
	msg := func(pairs ...int32) io.Reader {
		var b bytes.Buffer
		must(t, binary.Write(&b, binary.NativeEndian, pairs))
		return &b
	}
	for name, c := range map[string]struct {
		in      io.Reader
		step    GateStep
		want    string
		answers int
	}{
		"runs":            {msg(0, 0), -1, "", 0},
		"asks":            {msg(0, 0, int32(gateArmed), 0), -1, "", 1},
		"asks and fails":  {msg(0, 0, int32(gateArmed), 0, int32(GateExec), int32(syscall.ENOENT)), GateExec, `exec "x": not found in the container`, 1},
		"never reached":   {msg(), GateStarted, "start container: its first process ended", 0},
		"not found":       {msg(0, 0, int32(GateExec), int32(syscall.ENOENT)), GateExec, `exec "x": not found in the container`, 0},
		"denied":          {msg(0, 0, int32(GateExec), int32(syscall.EACCES)), GateExec, `exec "x": permission denied`, 0},
		"filter":          {msg(0, 0, int32(GateSeccomp), int32(syscall.EINVAL)), GateSeccomp, "load seccomp filter: invalid argument", 0},
		"unknown":         {msg(77, 1), 77, "bug: unknown gate step", 0},
		"half a message":  {strings.NewReader("\x00\x00\x00"), -1, "read gate status", 0},
		"hello, and half": {io.MultiReader(msg(0, 0), strings.NewReader("\x05")), -1, "read gate status", 0},
	} {
		var answer bytes.Buffer
		err := readGate(struct {
			io.Reader
			io.Writer
		}{c.in, &answer}, "x")
		if answer.Len() != c.answers {
			t.Errorf("%s: %d answers", name, answer.Len())
		}
		if c.want == "" && err != nil || c.want != "" && !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		var e *ExecError
		if errors.As(err, &e) != (c.step >= 0) || e != nil && e.Step != c.step {
			t.Errorf("%s: %#v", name, err)
		}
	}
}

func TestProgramFileIsSealed(t *testing.T) {
	f, err := programFile([]byte("abc"), "x")
	must(t, err)
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("written to")
	}
	if f.Truncate(1) == nil || f.Truncate(9) == nil {
		t.Error("its size was changed")
	}
}
