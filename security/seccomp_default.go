package security

import (
	"slices"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// ours are the system calls whose rules in moby's profile are replaced by the
// ones below, because moby lets more through than a rootless sandbox needs.
var ours = []string{
	"socket", "socketpair", "socketcall", "ioctl", "personality",
	"clone", "clone3", "unshare", "setns", "modify_ldt",
}

// nestingCalls are what an engine inside the container needs beyond the default.
var nestingCalls = []string{
	"clone", "clone3", "unshare", "setns", "mount", "umount", "umount2", "pivot_root",
	"fsopen", "fsconfig", "fsmount", "fspick", "move_mount", "open_tree", "open_tree_attr",
	"mount_setattr", "sethostname", "setdomainname",
}

// newNamespaces are the clone(2) flags that make a namespace. CLONE_NEWTIME is
// not among them: its bit belongs to the exit signal there.
const newNamespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER |
	unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP

// defaultRules is moby's maintained profile, resolved and tightened.
func defaultRules(f *Filter) (*specs.LinuxSeccomp, error) {
	rules, err := resolve(seccomp.DefaultProfile(), f)
	if err != nil {
		return nil, err
	}
	rules.Architectures = f.architectures()
	rules.Syscalls = without(rules.Syscalls, ours)
	rules.Syscalls = append(rules.Syscalls, socketRules(f.caps)...)
	rules.Syscalls = append(rules.Syscalls, ioctlRules()...)
	rules.Syscalls = append(rules.Syscalls, personalityRules()...)
	rules.Syscalls = append(rules.Syscalls, namespaceRules(f)...)
	if f.compat32 {
		// A 32-bit glibc opens sockets through socketcall(2), whose arguments are
		// in memory, out of a filter's sight; modify_ldt(2) is for Wine.
		rules.Syscalls = append(rules.Syscalls, allow("socketcall", "modify_ldt"))
	}
	return rules, nil
}

// without removes names from all rules, and rules left without a name.
func without(rules []specs.LinuxSyscall, names []string) []specs.LinuxSyscall {
	var out []specs.LinuxSyscall
	for _, r := range rules {
		r.Names = slices.DeleteFunc(slices.Clone(r.Names), func(n string) bool {
			return slices.Contains(names, n)
		})
		if len(r.Names) > 0 {
			out = append(out, r)
		}
	}
	return out
}

func allow(names ...string) specs.LinuxSyscall {
	return specs.LinuxSyscall{Names: names, Action: specs.ActAllow}
}

func refuse(errno uint, names ...string) specs.LinuxSyscall {
	return specs.LinuxSyscall{Names: names, Action: specs.ActErrno, ErrnoRet: &errno}
}

func when(r specs.LinuxSyscall, args ...specs.LinuxSeccompArg) specs.LinuxSyscall {
	r.Args = args
	return r
}

// low32 compares an argument as the kernel sees an int: without its upper half.
// A comparison of all 64 bits is either too strict, as the ABI leaves the upper
// half undefined, or, in a deny rule, a hole (CVE-2019-10063).
func low32(index uint, value uint32) specs.LinuxSeccompArg {
	return masked(index, 0xffffffff, value)
}

func masked(index uint, mask, value uint32) specs.LinuxSeccompArg {
	return specs.LinuxSeccompArg{Index: index, Op: specs.OpMaskedEqual, Value: uint64(mask), ValueTwo: uint64(value)}
}

// socketRules are an allow-list of address families: each one left out is
// kernel code that no container reaches (AF_ALG: CVE-2026-31431; AF_RXRPC,
// NETLINK_XFRM: CVE-2026-43284). Everything else is EPERM, the default.
func socketRules(caps capSet) []specs.LinuxSyscall {
	rules := []specs.LinuxSyscall{
		when(allow("socket"), low32(0, unix.AF_UNIX)),
		when(allow("socket"), low32(0, unix.AF_INET)),
		when(allow("socket"), low32(0, unix.AF_INET6)),
		when(allow("socket"), low32(0, unix.AF_NETLINK), low32(2, unix.NETLINK_ROUTE)),
		// EINVAL tells libaudit that the kernel has no audit, so that login,
		// useradd and friends go on without it.
		when(refuse(uint(unix.EINVAL), "socket"), low32(0, unix.AF_NETLINK), low32(2, unix.NETLINK_AUDIT)),
		when(allow("socketpair"), low32(0, unix.AF_UNIX)),
	}
	if caps.has(capNetRaw) {
		rules = append(rules, when(allow("socket"), low32(0, unix.AF_PACKET)))
	}
	if caps.has(capNetAdmin) {
		for _, protocol := range []uint32{unix.NETLINK_SOCK_DIAG, unix.NETLINK_NETFILTER, unix.NETLINK_GENERIC} {
			rules = append(rules, when(allow("socket"), low32(0, unix.AF_NETLINK), low32(2, protocol)))
		}
	}
	return rules
}

// ioctlRules allow every ioctl(2) but TIOCSTI and TIOCLINUX, which put
// characters into the input queue of a terminal that the container may share
// with the user's shell (CVE-2017-5226).
func ioctlRules() []specs.LinuxSyscall {
	var rules []specs.LinuxSyscall
	for _, p := range allBut(unix.TIOCSTI, unix.TIOCLINUX) {
		rules = append(rules, when(allow("ioctl"), masked(1, p.mask, p.value)))
	}
	return rules
}

// personalityRules are moby's list: Linux and Linux32, each with or without
// UNAME26, and the query. Nothing that turns address randomisation off.
func personalityRules() []specs.LinuxSyscall {
	var rules []specs.LinuxSyscall
	for _, p := range []uint32{0, 0x8, 0x20000, 0x20008, 0xffffffff} {
		rules = append(rules, when(allow("personality"), low32(0, p)))
	}
	return rules
}

// namespaceRules keep new namespaces out. clone3(2) hides its flags in memory, so
// it does not exist (ENOSYS): the C library then falls back to clone(2).
//
// With CAP_SYS_ADMIN the container may use namespaces, but not make a user
// namespace, the door to most kernel privilege bugs of the last years; that
// takes the nesting option.
func namespaceRules(f *Filter) []specs.LinuxSyscall {
	if f.nesting {
		// runc and crun go on without a session keyring if there are no keyrings
		// at all, and only then.
		return []specs.LinuxSyscall{
			allow(nestingCalls...),
			refuse(uint(unix.ENOSYS), "keyctl", "add_key", "request_key"),
		}
	}
	flags := uint(0) // the argument that holds the flags
	if f.arch == "s390x" {
		flags = 1
	}
	rules := []specs.LinuxSyscall{refuse(uint(unix.ENOSYS), "clone3")}
	if !f.caps.has(capSysAdmin) {
		return append(rules, when(allow("clone"), masked(flags, newNamespaces, 0)))
	}
	return append(
		rules,
		when(allow("clone"), masked(flags, unix.CLONE_NEWUSER, 0)),
		when(allow("unshare"), masked(0, unix.CLONE_NEWUSER, 0)),
		allow("setns"), // of its own namespaces; there are no others in sight
	)
}

// prefix is a set of 32-bit values: those v with v&mask == value.
type prefix struct{ mask, value uint32 }

// allBut covers every 32-bit value except those given by disjoint prefixes, as
// a filter can say "equal under a mask" but not "not equal under a mask". Bit
// by bit from the top, a prefix is split until it holds no excepted value.
func allBut(except ...uint32) []prefix {
	var out []prefix
	var split func(p prefix, depth int)
	split = func(p prefix, depth int) {
		if !slices.ContainsFunc(except, func(v uint32) bool { return v&p.mask == p.value }) {
			out = append(out, p)
			return
		}
		if depth == 32 {
			return
		}
		bit := uint32(1) << (31 - depth)
		split(prefix{p.mask | bit, p.value}, depth+1)
		split(prefix{p.mask | bit, p.value | bit}, depth+1)
	}
	split(prefix{}, 0)
	return out
}
