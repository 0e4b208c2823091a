package launch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/security"
)

// gateMagic and gateProgram are also in userns/nsjoin/gate.c.
const (
	gateMagic         = 0x65746762
	gateDieWithParent = 1
	gateListenPID     = 2
)

type gateProgram struct {
	Magic          uint32
	LandlockSize   uint32
	LandlockFS     uint64
	LandlockNet    uint64
	LandlockScoped uint64
	Raised         uint64 // see guard
	Unbound        uint64
	RuleCount      uint32
	LabelLen       uint32
	SeccompLen     uint32
	SeccompFlags   uint32
	Flags          uint32
	Argc, Envc     uint32
	StringsLen     uint32
	InitArgs       uint32
	_              uint32 // the compiler's padding in C
}

type gateRule struct {
	Access   uint64
	FD       int32
	Optional uint32
}

// landlockSize is the size of struct landlock_ruleset_attr that an ABI knows.
func landlockSize(abi int) uint32 {
	switch {
	case abi < 4:
		return 8
	case abi < 6:
		return 16
	}
	return 24
}

// GateStep is where the gate failed; the numbers are gate.c's.
type GateStep int32

// The gate's steps, in order.
const (
	GateStarted GateStep = iota // it was not reached: libcontainer's init ended before
	GateProgram
	GateGuard
	GateLabel
	GateLandlock
	GateSeccomp
	GateExec
	gateArmed // no failure: see readGate
)

func (s GateStep) String() string {
	names := [...]string{"start container", "read gate program", "give up capabilities", "set SELinux label", "enter Landlock", "load seccomp filter", "exec", "wait for the command"}
	if s < 0 || int(s) >= len(names) {
		return "bug: unknown gate step"
	}
	return names[s]
}

// ExecError says that the payload was not started, and why.
type ExecError struct {
	Step GateStep
	Path string // what should have run
	Err  error  // the errno
}

func (e *ExecError) Error() string {
	if e.Step != GateExec {
		return fmt.Sprintf("%s: %v", e.Step, e.Err)
	}
	if errors.Is(e.Err, syscall.ENOENT) {
		return fmt.Sprintf("exec %q: not found in the container", e.Path)
	}
	return fmt.Sprintf("exec %q: %v", e.Path, e.Err)
}

// Unwrap gives the errno.
func (e *ExecError) Unwrap() error { return e.Err }

// encodeGate lays the program out for gate.c: header, rules, label, filter, and
// the payload's argv and environment, whose bytes libcontainer's JSON would not keep.
func encodeGate(c Config, f *security.Program, g guard) ([]byte, error) {
	p := gateProgram{Magic: gateMagic, Raised: g.raised, Unbound: g.unbound}
	var filter []byte
	if f != nil {
		filter = f.Instructions
		p.SeccompLen, p.SeccompFlags = uint32(len(filter)), f.Flags
	}
	if c.DieWithParent {
		p.Flags |= gateDieWithParent
	}
	if c.ListenPID {
		p.Flags |= gateListenPID
	}
	var rules []gateRule
	if l := c.Policy.Landlock; l != nil {
		p.LandlockFS, p.LandlockScoped, p.LandlockSize = l.HandledFS, l.Scoped, landlockSize(l.ABI)
		var err error
		if rules, err = gateRules(l.Rules); err != nil {
			return nil, err
		}
		p.RuleCount = uint32(len(rules))
	}
	var label []byte
	if s := c.Policy.SELinux.ProcessLabel; s != "" {
		label = append([]byte(s), 0)
	}
	p.LabelLen = uint32(len(label))
	var strings []byte
	for _, list := range [][]string{c.Args, c.Env} {
		for _, s := range list {
			strings = append(append(strings, s...), 0)
		}
	}
	p.Argc, p.Envc, p.StringsLen = uint32(len(c.Args)), uint32(len(c.Env)), uint32(len(strings))
	p.InitArgs = uint32(c.InitArgs)
	var buf bytes.Buffer
	for _, part := range []any{p, rules, label, filter, strings} {
		if err := binary.Write(&buf, binary.NativeEndian, part); err != nil {
			return nil, fmt.Errorf("bug: encode gate program: %w", err)
		}
	}
	return buf.Bytes(), nil
}

// gateRules translates the rules; the only path the gate opens is "/".
func gateRules(in []security.BeneathRule) ([]gateRule, error) {
	out := make([]gateRule, 0, len(in))
	for _, r := range in {
		g := gateRule{Access: r.Access, FD: int32(r.FD)}
		if r.Optional {
			g.Optional = 1
		}
		if r.Path != "" {
			if r.Path != "/" {
				return nil, fmt.Errorf("bug: Landlock rule for %s", r.Path)
			}
			g.FD = -1
		}
		out = append(out, g)
	}
	return out, nil
}

// programFile puts the program where the gate can map it and nobody can change it. Its
// name tells libcontainer's init whose it is.
func programFile(program []byte, id string) (*os.File, error) {
	fd, err := unix.MemfdCreate(programName+":"+id, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "gate program")
	if _, err := f.Write(program); err != nil {
		f.Close()
		return nil, err
	}
	if err := sys.Seal(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ErrInit means that the container's first process ended before it could
// become the payload.
var ErrInit = errors.New("its first process ended before the command was started")

// newStatus is the socket between a gate and the process that has started it.
func newStatus() (ours, gates *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return os.NewFile(uintptr(fds[0]), "gate status"), os.NewFile(uintptr(fds[1]), "gate"), nil
}

// readGate waits until the payload runs (nil) or the gate reports. The end of
// the messages alone is no success: whoever has not said that it was the gate was not.
// A gate that is to die with this process asks whether it is there.
func readGate(status io.ReadWriter, path string) error {
	reached := false
	for {
		var msg [2]int32
		err := binary.Read(status, binary.NativeEndian, &msg)
		if errors.Is(err, unix.ECONNRESET) { // it was killed before it had read our answer
			err = io.EOF
		}
		switch {
		case errors.Is(err, io.EOF) && reached:
			return nil
		case errors.Is(err, io.EOF):
			return &ExecError{Step: GateStarted, Path: path, Err: ErrInit}
		case err != nil:
			return fmt.Errorf("read gate status: %w", err)
		}
		step := GateStep(msg[0])
		if step == gateArmed {
			if _, err := status.Write([]byte{1}); err != nil && !errors.Is(err, unix.EPIPE) { // it was killed meanwhile
				return fmt.Errorf("answer gate: %w", err)
			}
		} else if step != GateStarted {
			return &ExecError{Step: step, Path: path, Err: syscall.Errno(msg[1])}
		}
		reached = true
	}
}
