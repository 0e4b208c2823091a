package security

import (
	"fmt"
	"maps"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// Theory of operation
//
// libseccomp answers a call that no rule names with the default action. That is
// right for a call we know and refuse (EPERM), and wrong for one we do not know:
// a C library that tries a new call expects ENOSYS and then uses the old one.
// Also, a libseccomp older than the profile drops the rules whose names it does
// not know. So a head runs before libseccomp's program. For each ABI it
//
//   - should answer calls that libseccomp is too old for by the rule itself;
//   - should say ENOSYS to every number that nobody knows (holes of the table,
//     and all beyond its end), and to all of x32, as a kernel without x32 does;
//   - mustn't let anything else through by itself: it falls into libseccomp's
//     program, which looks at the ABI again;
//   - mustn't use an instruction that the kernel's constant-action analysis does
//     not follow (seccomp_is_const_allow), or each call would run the filter.
//
// A system call of any other ABI kills the process.

const (
	offsetNumber = 0 // of struct seccomp_data
	offsetArch   = 4
	x32Bit       = 0x40000000

	opLoad = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	opJump = unix.BPF_JMP | unix.BPF_JA
	opEq   = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	opGe   = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	opGt   = unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K
	opRet  = unix.BPF_RET | unix.BPF_K
)

// newerCalls are calls that a libseccomp still in use (2.5.4) does not know. From
// 424 on a call has the same number on every architecture here.
var newerCalls = map[string]uint32{
	"cachestat": 451, "fchmodat2": 452, "map_shadow_stack": 453, "futex_wake": 454, "futex_wait": 455,
	"futex_requeue": 456, "statmount": 457, "listmount": 458, "lsm_get_self_attr": 459,
	"lsm_set_self_attr": 460, "lsm_list_modules": 461, "mseal": 462, "setxattrat": 463,
	"getxattrat": 464, "listxattrat": 465, "removexattrat": 466, "open_tree_attr": 467,
	"file_getattr": 468, "file_setattr": 469, "listns": 470,
}

// newerNative are such calls with a number of their own.
var newerNative = map[specs.Arch]map[string]uint32{
	specs.ArchX86_64:  {"uretprobe": 335, "uprobe": 336},
	specs.ArchRISCV64: {"riscv_hwprobe": 258},
}

// refusedNewer are newer calls of families that the default refuses with EPERM;
// the other calls nobody allows do not exist.
var refusedNewer = []string{"open_tree_attr", "lsm_get_self_attr", "lsm_set_self_attr", "lsm_list_modules"}

// table is what the head knows about one ABI.
type table struct {
	audit  uint32
	x32    bool
	newer  []verdict // by number
	holes  []span    // numbers that no call has
	beyond uint32    // the first number after all known ones
}

type verdict struct{ number, ret uint32 }

type span struct{ first, last uint32 }

// head makes the instructions that run before libseccomp's.
func head(rules *specs.LinuxSeccomp, goarch string) ([]unix.SockFilter, error) {
	var sections [][]unix.SockFilter
	var audits []uint32
	for i, arch := range rules.Architectures {
		t, err := newTable(rules, arch)
		if err != nil {
			return nil, err
		}
		t.audit, t.x32 = compatAudit[arch], false
		if i == 0 {
			t.audit, t.x32 = abis[goarch].audit, abis[goarch].x32
		}
		audits = append(audits, t.audit)
		sections = append(sections, t.section())
	}
	return join(audits, sections), nil
}

// join puts the sections behind a switch over the ABI.
//
//	load arch
//	if arch == A { section A; goto end }
//	if arch == B { section B; goto end }
//	kill
//	end:
func join(audits []uint32, sections [][]unix.SockFilter) []unix.SockFilter {
	out := []unix.SockFilter{{Code: opLoad, K: offsetArch}}
	rest := 1 // instructions between here and the end
	for _, s := range sections {
		rest += len(s) + 3
	}
	for i, s := range sections {
		rest -= len(s) + 3
		out = append(out,
			unix.SockFilter{Code: opEq, K: audits[i], Jt: 1},
			unix.SockFilter{Code: opJump, K: uint32(len(s) + 1)})
		out = append(out, s...)
		out = append(out, unix.SockFilter{Code: opJump, K: uint32(rest)})
	}
	return append(out, ret(unix.SECCOMP_RET_KILL_PROCESS))
}

// section decides by number alone. Each test is followed by its own return, so
// no jump is long.
func (t *table) section() []unix.SockFilter {
	noSys := ret(unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS))
	out := []unix.SockFilter{{Code: opLoad, K: offsetNumber}}
	if t.x32 {
		out = append(out, unix.SockFilter{Code: opGe, K: x32Bit, Jf: 1}, noSys)
	}
	for _, v := range t.newer {
		out = append(out, unix.SockFilter{Code: opEq, K: v.number, Jf: 1}, ret(v.ret))
	}
	for _, h := range t.holes {
		out = append(out,
			unix.SockFilter{Code: opGe, K: h.first, Jf: 2},
			unix.SockFilter{Code: opGt, K: h.last, Jt: 1},
			noSys)
	}
	if t.beyond > 0 {
		out = append(out, unix.SockFilter{Code: opGe, K: t.beyond, Jf: 1}, noSys)
	}
	return out
}

func ret(value uint32) unix.SockFilter { return unix.SockFilter{Code: opRet, K: value} }

// newTable collects what libseccomp knows and does not know about an ABI.
func newTable(rules *specs.LinuxSeccomp, arch specs.Arch) (*table, error) {
	token, ok := tokens[arch]
	if !ok {
		return nil, fmt.Errorf("architecture %s: %w", arch, ErrProfile)
	}
	t := &table{}
	newer := newerFor(arch)
	for name, number := range newer {
		if knows(token, int(number)) {
			delete(newer, name)
		}
	}
	if err := t.addNewer(rules, newer); err != nil {
		return nil, err
	}
	if wantsNoSys(rules) {
		t.addUnknown(token)
	}
	return t, nil
}

func newerFor(arch specs.Arch) map[string]uint32 {
	out := maps.Clone(newerCalls)
	maps.Copy(out, newerNative[arch])
	return out
}

// wantsNoSys says whether unknown calls need an answer of their own: not if they
// are let through, and not if ENOSYS is the default already.
func wantsNoSys(rules *specs.LinuxSeccomp) bool {
	if isOpen(rules.DefaultAction) {
		return false
	}
	return rules.DefaultAction != specs.ActErrno || rules.DefaultErrnoRet == nil || *rules.DefaultErrnoRet != uint(unix.ENOSYS)
}

// addNewer makes a verdict of each rule about a call that libseccomp does not
// know. Rules with conditions were refused (unknownCall) or stay closed.
func (t *table) addNewer(rules *specs.LinuxSeccomp, newer map[string]uint32) error {
	for _, rule := range rules.Syscalls {
		if len(rule.Args) > 0 {
			continue
		}
		value, err := retValue(rule.Action, rule.ErrnoRet)
		if err != nil {
			return err
		}
		for _, name := range rule.Names {
			if number, ok := newer[name]; ok {
				t.newer = append(t.newer, verdict{number, value})
				delete(newer, name)
			}
		}
	}
	if wantsNoSys(rules) {
		for _, name := range refusedNewer {
			if number, ok := newer[name]; ok {
				t.newer = append(t.newer, verdict{number, unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)})
			}
		}
	}
	slices.SortFunc(t.newer, func(a, b verdict) int { return int(a.number) - int(b.number) })
	return nil
}

// tableEnd is beyond every call number in use, and below the private ranges that
// some ABIs have far up (ARM: 0x0f0000).
const tableEnd = 1024

// addUnknown finds the numbers without a call.
func (t *table) addUnknown(token libseccomp.ScmpArch) {
	var known []uint32
	for n := range uint32(tableEnd) {
		if knows(token, int(n)) {
			known = append(known, n)
		}
	}
	next := uint32(0)
	for _, n := range known {
		if n > next {
			t.holes = append(t.holes, span{next, n - 1})
		}
		next = n + 1
	}
	if token != libseccomp.ArchARM {
		t.beyond = next
	}
}

func knows(token libseccomp.ScmpArch, number int) bool {
	name, err := libseccomp.ScmpSyscall(number).GetNameByArch(token)
	return err == nil && name != ""
}

// retValue is the filter's return value for an action.
func retValue(a specs.LinuxSeccompAction, errno *uint) (uint32, error) {
	code := uint32(unix.EPERM)
	if errno != nil {
		code = uint32(*errno) & unix.SECCOMP_RET_DATA
	}
	switch a {
	case specs.ActAllow:
		return unix.SECCOMP_RET_ALLOW, nil
	case specs.ActErrno:
		return unix.SECCOMP_RET_ERRNO | code, nil
	case specs.ActTrace:
		return unix.SECCOMP_RET_TRACE | code, nil
	case specs.ActKill, specs.ActKillThread:
		return unix.SECCOMP_RET_KILL_THREAD, nil
	case specs.ActKillProcess:
		return unix.SECCOMP_RET_KILL_PROCESS, nil
	case specs.ActTrap:
		return unix.SECCOMP_RET_TRAP, nil
	case specs.ActLog:
		return unix.SECCOMP_RET_LOG, nil
	case specs.ActNotify: // there is nobody to notify
	}
	return 0, fmt.Errorf("action %q: %w", a, ErrProfile)
}
