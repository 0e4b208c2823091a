package security

import (
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// variants are option sets whose filters differ.
var variants = map[string]Options{
	"default":   {},
	"drop-all":  {CapDrop: []string{"ALL"}},
	"net-admin": {CapAdd: []string{"NET_ADMIN", "NET_RAW"}},
	"sys-admin": {CapAdd: []string{"SYS_ADMIN"}},
	"all-caps":  {CapAdd: []string{"ALL"}},
	"nesting":   {SecurityOpt: []string{"nesting"}},
	"compat32":  {SecurityOpt: []string{"compat32"}},
}

// TestProgramMeansRules runs every compiled filter in a simulator against a
// plain reading of the rules it was compiled from, over all system call numbers
// and the argument values on both sides of every condition.
func TestProgramMeansRules(t *testing.T) {
	needX86(t)
	for name, o := range variants {
		t.Run(name, func(t *testing.T) {
			p := mustCompile(t, o, testHost())
			rules, err := p.Seccomp.Rules()
			if err != nil {
				t.Fatal(err)
			}
			m := newMachine(t, mustProgram(t, p))
			for i, arch := range rules.Architectures {
				audit := abis["amd64"].audit
				if i > 0 {
					audit = compatAudit[arch]
				}
				compare(t, m, rules, arch, audit)
			}
		})
	}
}

func compare(t *testing.T, m machine, rules *specs.LinuxSeccomp, arch specs.Arch, audit uint32) {
	t.Helper()
	values := interesting(rules)
	for nr := range uint32(600) {
		name := callName(arch, nr)
		// i386 reaches sockets by two numbers; libseccomp keeps them in step by
		// rewriting rules, and socketcall is allowed as a whole.
		if arch == specs.ArchX86 && slices.Contains([]string{"socket", "socketpair"}, name) {
			continue
		}
		conditional := slices.ContainsFunc(rules.Syscalls, func(r specs.LinuxSyscall) bool {
			return len(r.Args) > 0 && slices.Contains(r.Names, name)
		})
		for _, args := range argSets(conditional, values) {
			got, want := m.run(t, audit, nr, args), meaning(rules, name, args)
			if got != want {
				t.Errorf("%s %s (%d) args %x: filter says %#x, rules say %#x", arch, name, nr, args, got, want)
				break
			}
		}
	}
}

// meaning is the rules read plainly.
func meaning(rules *specs.LinuxSeccomp, name string, args [6]uint64) uint32 {
	if name == "" {
		return retNoSys
	}
	for _, r := range rules.Syscalls {
		if slices.Contains(r.Names, name) && !slices.ContainsFunc(r.Args, func(a specs.LinuxSeccompArg) bool { return !holds(a, args) }) {
			v, err := retValue(r.Action, r.ErrnoRet)
			if err != nil {
				panic(err)
			}
			return v
		}
	}
	if n, ok := newerCalls[name]; ok && !knows(libseccomp.ArchAMD64, int(n)) && !slices.Contains(refusedNewer, name) {
		return retNoSys // as if it did not exist
	}
	if name == "uprobe" && !knows(libseccomp.ArchAMD64, 336) {
		return retNoSys
	}
	return retPerm
}

func holds(a specs.LinuxSeccompArg, args [6]uint64) bool {
	switch v := args[a.Index]; a.Op {
	case specs.OpEqualTo:
		return v == a.Value
	case specs.OpNotEqual:
		return v != a.Value
	case specs.OpLessThan:
		return v < a.Value
	case specs.OpLessEqual:
		return v <= a.Value
	case specs.OpGreaterThan:
		return v > a.Value
	case specs.OpGreaterEqual:
		return v >= a.Value
	case specs.OpMaskedEqual:
		return v&a.Value == a.ValueTwo
	}
	panic("operator " + a.Op)
}

// callName is the name of a number: libseccomp's, else that of our own table.
func callName(arch specs.Arch, nr uint32) string {
	if name, err := libseccomp.ScmpSyscall(nr).GetNameByArch(tokens[arch]); err == nil {
		return name
	}
	for name, n := range newerFor(arch) {
		if n == nr {
			return name
		}
	}
	return ""
}

// interesting are the values that conditions speak about, their neighbours, and
// the same with the upper half set.
func interesting(rules *specs.LinuxSeccomp) []uint64 {
	set := map[uint64]bool{0: true, 1: true, 0xffffffffffffffff: true, unix.TIOCSTI: true, unix.TIOCLINUX: true}
	for _, flag := range []uint64{unix.CLONE_NEWUSER, unix.CLONE_NEWNS, unix.CLONE_NEWNET | uint64(unix.SIGCHLD), uint64(unix.SIGCHLD)} {
		set[flag] = true
	}
	for _, r := range rules.Syscalls {
		for _, a := range r.Args {
			for _, v := range []uint64{a.Value, a.ValueTwo} {
				set[v], set[v+1], set[v-1] = true, true, true
			}
		}
	}
	out := make([]uint64, 0, 2*len(set))
	for v := range set {
		out = append(out, v, v|1<<32, v|0xffffffff00000000)
	}
	return out
}

// argSets combines interesting values over the three arguments that conditions
// speak about: each alone, and the family with each protocol.
func argSets(conditional bool, values []uint64) [][6]uint64 {
	out := [][6]uint64{{}}
	if !conditional {
		return append(out, [6]uint64{1, 2, 3, 4, 5, 6})
	}
	for _, v := range values {
		out = append(out, [6]uint64{v}, [6]uint64{0, v}, [6]uint64{0, 0, v},
			[6]uint64{unix.AF_NETLINK, unix.SOCK_RAW, v}, [6]uint64{v, 0, unix.NETLINK_AUDIT})
	}
	return out
}

// TestForeignABIs holds what no rule can say: every call of another ABI.
func TestForeignABIs(t *testing.T) {
	needX86(t)
	native := abis["amd64"].audit
	for name, o := range variants {
		m := newMachine(t, mustProgram(t, mustCompile(t, o, testHost())))
		for nr := range uint32(600) {
			if got := m.run(t, native, nr|x32Bit, [6]uint64{}); got != retNoSys {
				t.Errorf("%s: x32 call %d: %#x, want ENOSYS", name, nr, got)
			}
			if got := m.run(t, auditI386, nr, [6]uint64{}); name != "compat32" && got != retKill {
				t.Errorf("%s: i386 call %d: %#x, want kill", name, nr, got)
			}
			if got := m.run(t, abis["arm64"].audit, nr, [6]uint64{}); got != retKill {
				t.Errorf("%s: call %d of a foreign machine: %#x, want kill", name, nr, got)
			}
		}
		for _, nr := range []uint32{601, 1023, 4096, 0x3fffffff, 0x7fffffff, 0xffffffff} {
			if got := m.run(t, native, nr, [6]uint64{}); got != retNoSys {
				t.Errorf("%s: call %#x: %#x, want ENOSYS", name, nr, got)
			}
		}
	}
}

func TestAllBut(t *testing.T) {
	except := []uint32{unix.TIOCSTI, unix.TIOCLINUX}
	set := allBut(except...)
	covered := uint64(0)
	for i, p := range set {
		covered += uint64(^p.mask) + 1
		for _, v := range except {
			if v&p.mask == p.value {
				t.Errorf("prefix %x/%x holds the excepted value %x", p.value, p.mask, v)
			}
		}
		for _, q := range set[:i] {
			if common := p.mask & q.mask; p.value&common == q.value&common {
				t.Errorf("prefixes %x/%x and %x/%x overlap", p.value, p.mask, q.value, q.mask)
			}
		}
	}
	if want := uint64(1)<<32 - uint64(len(except)); covered != want {
		t.Errorf("%d values covered, want %d", covered, want)
	}
}
