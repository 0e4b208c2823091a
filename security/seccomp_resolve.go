package security

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// abi is one way of entering the kernel, as the three parties call it.
type abi struct {
	oci    specs.Arch
	audit  uint32 // AUDIT_ARCH_ (linux/audit.h)
	x32    bool   // bit 30 of the system call number selects x32
	name   string // in the conditions of Docker's profile format
	compat specs.Arch
}

// abis are the machines Burrow runs on, by runtime.GOARCH. The x32 ABI is never
// allowed anywhere.
var abis = map[string]abi{
	"amd64":   {oci: specs.ArchX86_64, audit: 0xc000003e, x32: true, name: "amd64", compat: specs.ArchX86},
	"arm64":   {oci: specs.ArchAARCH64, audit: 0xc00000b7, name: "arm64", compat: specs.ArchARM},
	"riscv64": {oci: specs.ArchRISCV64, audit: 0xc00000f3, name: "riscv64"},
	"ppc64le": {oci: specs.ArchPPC64LE, audit: 0xc0000015, name: "ppc64le"},
	"s390x":   {oci: specs.ArchS390X, audit: 0x80000016, name: "s390x", compat: specs.ArchS390},
	"loong64": {oci: specs.ArchLOONGARCH64, audit: 0xc0000102, name: "loongarch64"},
}

// compatAudit is AUDIT_ARCH_ of the 32-bit ABIs.
var compatAudit = map[specs.Arch]uint32{
	specs.ArchX86:  0x40000003,
	specs.ArchARM:  0x40000028,
	specs.ArchS390: 0x00000016,
}

// architectures is the native ABI and, if asked for, its 32-bit one.
func (f *Filter) architectures() []specs.Arch {
	a := abis[f.arch]
	out := []specs.Arch{a.oci}
	if f.compat32 && a.compat != "" {
		out = append(out, a.compat)
	}
	return out
}

// resolve drops the rules of a profile in Docker's format whose conditions do
// not hold, and with them the conditions. Architectures are not resolved here:
// which ABIs may run is not the profile's to say.
func resolve(p *seccomp.Seccomp, f *Filter) (*specs.LinuxSeccomp, error) {
	if _, ok := abis[f.arch]; !ok {
		return nil, fmt.Errorf("no seccomp profile for the architecture %q: %w", f.arch, ErrProfile)
	}
	out := &specs.LinuxSeccomp{
		DefaultAction:   p.DefaultAction,
		DefaultErrnoRet: p.DefaultErrnoRet,
		Flags:           slices.Clone(p.Flags),
	}
	for _, call := range p.Syscalls {
		rule := call.LinuxSyscall
		one := call.Name //nolint:staticcheck // old profiles in JSON still have it
		if one != "" {
			if len(rule.Names) != 0 {
				return nil, fmt.Errorf("rule for %s has both name and names: %w", one, ErrProfile)
			}
			rule.Names = []string{one}
		}
		keep, err := f.applies(call)
		if err != nil {
			return nil, err
		}
		if keep {
			out.Syscalls = append(out.Syscalls, rule)
		}
	}
	return out, nil
}

// applies evaluates includes and excludes. Within excludes one match suffices;
// within includes all must hold, one architecture of several being enough.
func (f *Filter) applies(call *seccomp.Syscall) (bool, error) {
	name := abis[f.arch].name
	if ex := call.Excludes; ex != nil {
		newer, err := f.kernelAtLeast(ex.MinKernel)
		if err != nil {
			return false, err
		}
		if slices.Contains(ex.Arches, name) || slices.ContainsFunc(ex.Caps, f.hasCap) || ex.MinKernel != nil && newer {
			return false, nil
		}
	}
	if in := call.Includes; in != nil {
		newer, err := f.kernelAtLeast(in.MinKernel)
		if err != nil {
			return false, err
		}
		if len(in.Arches) > 0 && !slices.Contains(in.Arches, name) || in.MinKernel != nil && !newer {
			return false, nil
		}
		for _, c := range in.Caps {
			if !f.hasCap(c) {
				return false, nil
			}
		}
	}
	return true, nil
}

func (f *Filter) hasCap(name string) bool {
	n, ok := capNumber(name)
	return ok && f.caps.has(1<<n)
}

// kernelAtLeast compares with the running kernel.
func (f *Filter) kernelAtLeast(least *seccomp.KernelVersion) (bool, error) {
	if least == nil {
		return true, nil
	}
	major, minor, err := kernelVersion(f.kernel)
	if err != nil {
		return false, err
	}
	return major > least.Kernel || major == least.Kernel && minor >= least.Major, nil
}

// kernelVersion reads the first two numbers of a release such as "6.1.0-28".
func kernelVersion(release string) (major, minor uint64, err error) {
	first, rest, _ := strings.Cut(release, ".")
	second := rest
	if i := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		second = rest[:i]
	}
	if major, err = strconv.ParseUint(first, 10, 16); err != nil {
		return 0, 0, fmt.Errorf("kernel release %q: %w", release, err)
	}
	if minor, err = strconv.ParseUint(second, 10, 16); err != nil {
		return 0, 0, fmt.Errorf("kernel release %q: %w", release, err)
	}
	return major, minor, nil
}
