package security

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// fileProfile is a profile as users write them: Docker's format (moby's type),
// the OCI one (a subset of it), and Podman's errno names.
type fileProfile struct {
	seccomp.Seccomp

	DefaultErrno string         `json:"defaultErrno,omitempty"`
	Syscalls     []*fileSyscall `json:"syscalls"`
}

type fileSyscall struct {
	seccomp.Syscall

	Errno string `json:"errno,omitempty"`
}

// customRules parses and resolves the user's profile. What it says about system
// calls is honoured; the ABIs stay ours: native, 32-bit with compat32, never
// x32. A copy of Docker's default with one more call in it would otherwise
// open the 32-bit socketcall(2), past every socket rule in it.
func customRules(f *Filter) (*specs.LinuxSeccomp, error) {
	p, err := parseProfile(f.profile)
	if err != nil {
		return nil, fmt.Errorf("seccomp profile %s: %w", f.path, err)
	}
	rules, err := resolve(p, f)
	if err != nil {
		return nil, fmt.Errorf("seccomp profile %s: %w", f.path, err)
	}
	rules.Architectures = f.architectures()
	return rules, nil
}

// parseProfile is strict: a misspelt key in a profile that allows by default
// would leave everything open.
func parseProfile(data []byte) (*seccomp.Seccomp, error) {
	var p fileProfile
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProfile, err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("data after the end: %w", ErrProfile)
	}
	return p.check()
}

// check validates everything that can be without knowing the machine.
func (p *fileProfile) check() (*seccomp.Seccomp, error) {
	if p.DefaultAction == "" {
		return nil, fmt.Errorf("no defaultAction: %w", ErrProfile)
	}
	if p.ListenerPath != "" || p.ListenerMetadata != "" {
		return nil, fmt.Errorf("listenerPath needs an agent, which Burrow does not have: %w", ErrProfile)
	}
	if len(p.Architectures) != 0 && len(p.ArchMap) != 0 {
		return nil, fmt.Errorf("both architectures and archMap: %w", ErrProfile)
	}
	out := &p.Seccomp
	var err error
	if out.DefaultErrnoRet, err = errnoOf(p.DefaultErrno, out.DefaultErrnoRet); err != nil {
		return nil, err
	}
	if _, err := scmpAction(out.DefaultAction, out.DefaultErrnoRet); err != nil {
		return nil, fmt.Errorf("defaultAction: %w", err)
	}
	if _, err := filterFlags(out.Flags); err != nil {
		return nil, err
	}
	for i, s := range p.Syscalls {
		if s == nil {
			return nil, fmt.Errorf("rule %d is null: %w", i, ErrProfile)
		}
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("rule %d: %w", i, err)
		}
		out.Syscalls = append(out.Syscalls, &s.Syscall)
	}
	return out, nil
}

func (s *fileSyscall) check() error {
	var err error
	if s.ErrnoRet, err = errnoOf(s.Errno, s.ErrnoRet); err != nil {
		return err
	}
	if _, err := scmpAction(s.Action, s.ErrnoRet); err != nil {
		return err
	}
	one := s.Name //nolint:staticcheck // old profiles in JSON still have it
	if one == "" && len(s.Names) == 0 || slices.Contains(s.Names, "") {
		return fmt.Errorf("no system call named: %w", ErrProfile)
	}
	for _, a := range s.Args {
		if a.Index > 5 {
			return fmt.Errorf("argument index %d: %w", a.Index, ErrProfile)
		}
		if _, ok := operators[a.Op]; !ok {
			return fmt.Errorf("operator %q: %w", a.Op, ErrProfile)
		}
		// libseccomp drops the bits outside of the mask, and the rule, which could
		// never hold, would hold for other values than it says.
		if a.Op == specs.OpMaskedEqual && a.ValueTwo&^a.Value != 0 {
			return fmt.Errorf("valueTwo %#x has bits that the mask %#x leaves out: %w", a.ValueTwo, a.Value, ErrProfile)
		}
	}
	return nil
}

// errnoOf resolves Podman's errno name, which goes before the number.
func errnoOf(name string, number *uint) (*uint, error) {
	if name == "" {
		if number != nil && *number > 4095 { // MAX_ERRNO
			return nil, fmt.Errorf("errno %d: %w", *number, ErrProfile)
		}
		return number, nil
	}
	for n := range uint(134) {
		if unix.ErrnoName(syscall.Errno(n)) == name {
			return &n, nil
		}
	}
	return nil, fmt.Errorf("errno %q: %w", name, ErrProfile)
}
