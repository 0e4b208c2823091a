package security

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
)

// TestGoldenRules holds the resolved rules of every variant, so that a change of
// moby's profile or of ours shows as a difference in review.
func TestGoldenRules(t *testing.T) {
	base := ruleLines(t, Options{})
	golden(t, "seccomp-default.txt", []byte(strings.Join(base, "\n")+"\n"))
	for name, o := range variants {
		if name != "default" {
			golden(t, "seccomp-"+name+".diff", diff(base, ruleLines(t, o)))
		}
	}
}

// ruleLines writes rules one call a line, sorted.
func ruleLines(t *testing.T, o Options) []string {
	t.Helper()
	rules, err := mustCompile(t, o, testHost()).Seccomp.Rules()
	if err != nil {
		t.Fatal(err)
	}
	lines := []string{fmt.Sprint("architectures ", rules.Architectures)}
	for _, r := range rules.Syscalls {
		var when strings.Builder
		for _, a := range r.Args {
			fmt.Fprintf(&when, " arg%d&%#x==%#x", a.Index, a.Value, a.ValueTwo)
			if a.Op != specs.OpMaskedEqual {
				t.Errorf("%v compares with %s; a deny rule would have a hole", r.Names, a.Op)
			}
		}
		for _, name := range r.Names {
			lines = append(lines, name+when.String()+" "+action(r))
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func action(r specs.LinuxSyscall) string {
	s := strings.TrimPrefix(string(r.Action), "SCMP_ACT_")
	if r.ErrnoRet != nil {
		s += fmt.Sprint("=", *r.ErrnoRet)
	}
	return s
}

func diff(base, other []string) []byte {
	var out bytes.Buffer
	for _, l := range base {
		if !slices.Contains(other, l) {
			fmt.Fprintln(&out, "-"+l)
		}
	}
	for _, l := range other {
		if !slices.Contains(base, l) {
			fmt.Fprintln(&out, "+"+l)
		}
	}
	return out.Bytes()
}

// TestGoldenPseudoCode holds what libseccomp makes of the default rules. The text
// differs between versions of the library; this one is Debian 12's.
func TestGoldenPseudoCode(t *testing.T) {
	needX86(t)
	if major, minor, micro := libseccomp.GetLibraryVersion(); major != 2 || minor != 5 || micro != 4 {
		t.Skipf("libseccomp %d.%d.%d writes it differently from 2.5.4", major, minor, micro)
	}
	var text bytes.Buffer
	if err := mustCompile(t, Options{}, testHost()).Seccomp.WritePFC(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "seccomp-default.pfc", text.Bytes())
}

// TestNeverAllowed guards the default against a future version of moby's list.
func TestNeverAllowed(t *testing.T) {
	rules, err := mustCompile(t, Options{}, testHost()).Seccomp.Rules()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules.Syscalls {
		for _, name := range r.Names {
			if _, bad := refused[name]; bad && r.Action == specs.ActAllow {
				t.Errorf("%s is allowed", name)
			}
			if name == "socketcall" {
				t.Error("socketcall is allowed")
			}
		}
	}
}
