package security

import (
	"encoding/json"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
)

var comparisons = []specs.LinuxSeccompOperator{
	specs.OpEqualTo, specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterThan, specs.OpGreaterEqual, specs.OpMaskedEqual,
}

// FuzzProgramMeansProfile: a profile of one conditional rule, compiled and run in
// the simulator, answers as the rule reads; and never for another ABI.
func FuzzProgramMeansProfile(f *testing.F) {
	f.Add(uint16(16), uint8(1), uint8(0), uint64(0x5412), uint64(0), uint64(0x100005412)) // ioctl TIOCSTI, upper half set
	f.Add(uint16(56), uint8(0), uint8(6), uint64(0x7e020000), uint64(0), uint64(0x10000000))
	f.Add(uint16(135), uint8(0), uint8(0), uint64(0xffffffff), uint64(0), uint64(0xffffffff))
	f.Add(uint16(41), uint8(0), uint8(5), uint64(1)<<63, uint64(0), uint64(1)<<63-1)
	f.Fuzz(func(t *testing.T, nr uint16, index, op uint8, value, two, arg uint64) {
		needX86(t)
		name := callName(specs.ArchX86_64, uint32(nr))
		if _, newer := newerFor(specs.ArchX86_64)[name]; name == "" || newer {
			t.Skip("no such call, or one that libseccomp does not know: its condition is dropped, and it is refused")
		}
		rule := specs.LinuxSyscall{Names: []string{name}, Action: specs.ActAllow, Args: []specs.LinuxSeccompArg{{
			Index: uint(index % 6), Op: comparisons[int(op)%len(comparisons)], Value: value, ValueTwo: two,
		}}}
		profile, err := json.Marshal(map[string]any{"defaultAction": specs.ActErrno, "syscalls": []any{rule}})
		if err != nil {
			t.Fatal(err)
		}
		filter := &Filter{path: "fuzz", profile: profile, arch: "amd64", kernel: "6.1"}
		p, err := filter.Program("")
		if err != nil {
			t.Skip(err)
		}
		m := newMachine(t, p)
		rules := &specs.LinuxSeccomp{Syscalls: []specs.LinuxSyscall{rule}}
		var args [6]uint64
		for _, v := range []uint64{arg, value, value + 1, value - 1, value | 1<<32, two} {
			args[index%6] = v
			if got, want := m.run(t, abis["amd64"].audit, uint32(nr), args), meaning(rules, name, args); got != want {
				t.Errorf("%s %+v with %#x: filter says %#x, the rule %#x", name, rule.Args, v, got, want)
			}
			if got := m.run(t, compatAudit[specs.ArchX86], uint32(nr), args); got != retKill {
				t.Errorf("32-bit: %#x", got)
			}
		}
	})
}
