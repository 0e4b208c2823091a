package security

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

const (
	sizeofInstruction = 8
	maxInstructions   = 4096 // BPF_MAXINSNS, the kernel's limit
)

// assemble compiles resolved rules to one program: our head, then what
// libseccomp makes of the rules.
func assemble(rules *specs.LinuxSeccomp, goarch string) (*Program, error) {
	filter, err := libseccompFilter(rules, goarch)
	if err != nil {
		return nil, err
	}
	defer filter.Release()
	body, err := export(filter.ExportBPF)
	if err != nil {
		return nil, fmt.Errorf("export BPF: %w", err)
	}
	if len(body) == 0 || len(body)%sizeofInstruction != 0 {
		return nil, fmt.Errorf("bug: libseccomp exported %d bytes", len(body))
	}
	top, err := head(rules, goarch)
	if err != nil {
		return nil, err
	}
	program := append(encode(top), body...)
	if n := len(program) / sizeofInstruction; n > maxInstructions {
		return nil, fmt.Errorf("filter has %d instructions, the kernel takes %d: %w", n, maxInstructions, ErrProfile)
	}
	flags, err := filterFlags(rules.Flags)
	if err != nil {
		return nil, err
	}
	return &Program{Instructions: program, Flags: flags}, nil
}

func encode(insns []unix.SockFilter) []byte {
	out := make([]byte, 0, len(insns)*sizeofInstruction)
	for _, i := range insns {
		out = binary.NativeEndian.AppendUint16(out, i.Code)
		out = append(out, i.Jt, i.Jf)
		out = binary.NativeEndian.AppendUint32(out, i.K)
	}
	return out
}

// filterFlags translates the profile's flags. TSYNC says nothing here: the gate
// has one thread.
func filterFlags(flags []specs.LinuxSeccompFlag) (uint32, error) {
	var out uint32
	for _, f := range flags {
		switch f {
		case specs.LinuxSeccompFlagLog:
			out |= unix.SECCOMP_FILTER_FLAG_LOG
		case specs.LinuxSeccompFlagSpecAllow:
			out |= unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW
		case "SECCOMP_FILTER_FLAG_TSYNC":
		case specs.LinuxSeccompFlagWaitKillableRecv: // means something to a listener only
			fallthrough
		default:
			return 0, fmt.Errorf("flag %q: %w", f, ErrProfile)
		}
	}
	return out, nil
}

// libseccompFilter gives the rules to libseccomp. The caller releases it.
func libseccompFilter(rules *specs.LinuxSeccomp, goarch string) (*libseccomp.ScmpFilter, error) {
	fallback, err := scmpAction(rules.DefaultAction, rules.DefaultErrnoRet)
	if err != nil {
		return nil, err
	}
	filter, err := libseccomp.NewFilter(fallback)
	if err != nil {
		return nil, fmt.Errorf("new seccomp filter: %w", err)
	}
	if err := fill(filter, rules, fallback, goarch); err != nil {
		filter.Release()
		return nil, err
	}
	return filter, nil
}

func fill(filter *libseccomp.ScmpFilter, rules *specs.LinuxSeccomp, fallback libseccomp.ScmpAction, goarch string) error {
	// The process, not the thread: a half-dead program helps nobody.
	if err := filter.SetBadArchAction(libseccomp.ActKillProcess); err != nil {
		return fmt.Errorf("set action for other ABIs: %w", err)
	}
	if err := setArches(filter, rules.Architectures); err != nil {
		return err
	}
	count := 0
	for _, rule := range rules.Syscalls {
		n, err := addRule(filter, rule, fallback, isOpen(rules.DefaultAction))
		if err != nil {
			return err
		}
		count += n
	}
	// A binary tree instead of a list. Up to 2.5.4 libseccomp makes a wrong one
	// of no rules at all, and of few it makes nothing better.
	if count > 32 {
		if err := filter.SetOptimize(2); err != nil {
			return fmt.Errorf("optimize filter for %s: %w", goarch, err)
		}
	}
	return nil
}

// tokens are libseccomp's names of the ABIs that Burrow lets in.
var tokens = map[specs.Arch]libseccomp.ScmpArch{
	specs.ArchX86_64:      libseccomp.ArchAMD64,
	specs.ArchX86:         libseccomp.ArchX86,
	specs.ArchAARCH64:     libseccomp.ArchARM64,
	specs.ArchARM:         libseccomp.ArchARM,
	specs.ArchRISCV64:     libseccomp.ArchRISCV64,
	specs.ArchPPC64LE:     libseccomp.ArchPPC64LE,
	specs.ArchS390X:       libseccomp.ArchS390X,
	specs.ArchS390:        libseccomp.ArchS390,
	specs.ArchLOONGARCH64: libseccomp.ArchLOONGARCH64,
}

// setArches makes the filter hold exactly these ABIs.
func setArches(filter *libseccomp.ScmpFilter, arches []specs.Arch) error {
	for _, a := range arches {
		token, ok := tokens[a]
		if !ok {
			return fmt.Errorf("architecture %s: %w", a, ErrProfile)
		}
		if err := filter.AddArch(token); err != nil {
			return fmt.Errorf("add architecture %s: %w", a, err)
		}
	}
	return nil
}

// addRule adds one rule for each of its names and returns how many it added.
// A name that libseccomp does not know is left to the head.
func addRule(filter *libseccomp.ScmpFilter, rule specs.LinuxSyscall, fallback libseccomp.ScmpAction, open bool) (int, error) {
	action, err := scmpAction(rule.Action, rule.ErrnoRet)
	if err != nil {
		return 0, err
	}
	if action == fallback {
		return 0, nil // redundant, and libseccomp refuses it
	}
	sets, err := conditions(rule.Args)
	if err != nil {
		return 0, err
	}
	added := 0
	for _, name := range rule.Names {
		call, err := libseccomp.GetSyscallFromName(name)
		if errors.Is(err, libseccomp.ErrSyscallDoesNotExist) {
			if err := unknownCall(name, rule, open); err != nil {
				return 0, err
			}
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("look up system call %s: %w", name, err)
		}
		for _, set := range sets {
			if err := filter.AddRuleConditional(call, action, set); err != nil {
				return 0, fmt.Errorf("add rule for %s: %w", name, err)
			}
			added++
		}
	}
	return added, nil
}

// unknownCall decides about a system call that libseccomp has no number for.
// The head takes it if it has one. Else, where the default is to allow, a rule
// that cannot be made is a hole.
func unknownCall(name string, rule specs.LinuxSyscall, open bool) error {
	if !open || rule.Action == specs.ActAllow {
		return nil
	}
	if _, ok := newerCalls[name]; ok && len(rule.Args) == 0 {
		return nil
	}
	return fmt.Errorf("rule for %q: unknown system call in a profile that allows by default: %w", name, ErrProfile)
}

// conditions translates arguments to sets that libseccomp takes: all of one set
// must hold, one of the sets suffices. Two conditions on one argument cannot be
// in one set; they become alternatives, as in every other OCI runtime.
func conditions(args []specs.LinuxSeccompArg) ([][]libseccomp.ScmpCondition, error) {
	var all []libseccomp.ScmpCondition
	repeated := false
	for i, a := range args {
		op, ok := operators[a.Op]
		if !ok {
			return nil, fmt.Errorf("operator %q: %w", a.Op, ErrProfile)
		}
		c, err := libseccomp.MakeCondition(a.Index, op, a.Value, a.ValueTwo)
		if err != nil {
			return nil, fmt.Errorf("condition on argument %d: %w", a.Index, err)
		}
		all = append(all, c)
		repeated = repeated || slices.ContainsFunc(args[:i], func(b specs.LinuxSeccompArg) bool { return b.Index == a.Index })
	}
	if !repeated {
		return [][]libseccomp.ScmpCondition{all}, nil
	}
	sets := make([][]libseccomp.ScmpCondition, len(all))
	for i := range all {
		sets[i] = all[i : i+1]
	}
	return sets, nil
}

var operators = map[specs.LinuxSeccompOperator]libseccomp.ScmpCompareOp{
	specs.OpEqualTo:      libseccomp.CompareEqual,
	specs.OpNotEqual:     libseccomp.CompareNotEqual,
	specs.OpGreaterThan:  libseccomp.CompareGreater,
	specs.OpGreaterEqual: libseccomp.CompareGreaterEqual,
	specs.OpLessThan:     libseccomp.CompareLess,
	specs.OpLessEqual:    libseccomp.CompareLessOrEqual,
	specs.OpMaskedEqual:  libseccomp.CompareMaskedEqual,
}

// scmpAction translates an action. SCMP_ACT_NOTIFY is refused: it needs an
// agent, and without one every such call would hang.
func scmpAction(a specs.LinuxSeccompAction, errno *uint) (libseccomp.ScmpAction, error) {
	code := int16(unix.EPERM)
	if errno != nil {
		code = int16(*errno)
	}
	switch a {
	case specs.ActAllow:
		return libseccomp.ActAllow, nil
	case specs.ActErrno:
		return libseccomp.ActErrno.SetReturnCode(code), nil
	case specs.ActTrace:
		return libseccomp.ActTrace.SetReturnCode(code), nil
	case specs.ActKill, specs.ActKillThread:
		return libseccomp.ActKillThread, nil
	case specs.ActKillProcess:
		return libseccomp.ActKillProcess, nil
	case specs.ActTrap:
		return libseccomp.ActTrap, nil
	case specs.ActLog:
		return libseccomp.ActLog, nil
	case specs.ActNotify:
		return 0, fmt.Errorf("action %s needs an agent, which Burrow does not have: %w", a, ErrProfile)
	}
	return 0, fmt.Errorf("action %q: %w", a, ErrProfile)
}

// isOpen says that a call without a rule goes through.
func isOpen(a specs.LinuxSeccompAction) bool {
	return a == specs.ActAllow || a == specs.ActLog || a == specs.ActTrace
}

// memfile is a file in memory.
func memfile() (*os.File, error) {
	fd, err := unix.MemfdCreate("burrow-seccomp", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), "memfd:burrow-seccomp"), nil
}
