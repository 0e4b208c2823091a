package security

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// machine runs a compiled filter as the kernel would.
type machine struct{ vm *bpf.VM }

func newMachine(t *testing.T, p *Program) machine {
	t.Helper()
	raw := make([]bpf.RawInstruction, 0, len(p.Instructions)/sizeofInstruction)
	for b := p.Instructions; len(b) > 0; b = b[sizeofInstruction:] {
		raw = append(raw, bpf.RawInstruction{
			Op: binary.NativeEndian.Uint16(b), Jt: b[2], Jf: b[3], K: binary.NativeEndian.Uint32(b[4:]),
		})
	}
	insns, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatal("program has an instruction that the disassembler does not know")
	}
	vm, err := bpf.NewVM(insns)
	if err != nil {
		t.Fatal(err)
	}
	return machine{vm}
}

// run returns the filter's verdict. A packet filter loads words in network
// order, a seccomp filter in host order, so struct seccomp_data is given to it
// word by word.
func (m machine) run(t *testing.T, audit, nr uint32, args [6]uint64) uint32 {
	t.Helper()
	data := binary.BigEndian.AppendUint32(nil, nr)
	data = binary.BigEndian.AppendUint32(data, audit)
	data = append(data, make([]byte, 8)...) // instruction pointer
	for _, a := range args {
		data = binary.BigEndian.AppendUint32(data, uint32(a))
		data = binary.BigEndian.AppendUint32(data, uint32(a>>32))
	}
	v, err := m.vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(v)
}

const (
	retAllow  = unix.SECCOMP_RET_ALLOW
	retPerm   = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	retNoSys  = unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	retInval  = unix.SECCOMP_RET_ERRNO | uint32(unix.EINVAL)
	retKill   = unix.SECCOMP_RET_KILL_PROCESS
	auditI386 = 0x40000003
)
