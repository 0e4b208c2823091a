package security

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// childVariable names the piece of a test that runs in a process of its own,
// because what it does cannot be undone.
const childVariable = "BURROW_SECURITY_TEST_CHILD"

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		os.Exit(children[name]())
	}
	os.Exit(m.Run())
}

// testHost is a host with everything, so that golden files do not depend on the
// machine.
func testHost() Host {
	return Host{
		Arch: "amd64", Kernel: "6.1", Landlock: 7,
		Hard:        map[string]uint64{"nofile": 1048576, "nproc": 30000},
		CPUThrottle: []string{"/sys/devices/system/cpu/cpu0/thermal_throttle"},
	}
}

func mustCompile(t testing.TB, o Options, h Host) Policy {
	t.Helper()
	p, err := Compile(o, h)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func mustProgram(t testing.TB, p Policy) *Program {
	t.Helper()
	prog, err := p.Seccomp.Program("")
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// golden compares with testdata/name, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		tmp := filepath.Join(t.ArtifactDir(), name)
		_ = os.WriteFile(tmp, got, 0o644)
		t.Errorf("differs from %s (run with -update after looking at the difference); got:\n%s", path, got)
	}
}

// buildProbe compiles testdata/probe.c with the compiler that cgo needs anyway.
func buildProbe(t *testing.T) string {
	t.Helper()
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "gcc"
	}
	out := filepath.Join(t.TempDir(), "probe")
	if text, err := exec.Command(cc, "-O1", "-o", out, "testdata/probe.c").CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cc, err, text)
	}
	return out
}

// needX86 skips what is about system call numbers of x86.
func needX86(t *testing.T) {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("numbers are those of amd64")
	}
}
