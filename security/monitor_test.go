package security

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// The program, run by another implementation of the machine, must refuse what
// the monitor never needs and nothing that it does.
func TestMonitorProgram(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the numbers below are those of amd64")
	}
	vm := monitorVM(t)
	const native, i386 = unix.AUDIT_ARCH_X86_64, unix.AUDIT_ARCH_I386
	tests := []struct {
		name         string
		arch, number uint32
		want         int
	}{
		{"read", native, unix.SYS_READ, unix.SECCOMP_RET_ALLOW},
		{"wait4", native, unix.SYS_WAIT4, unix.SECCOMP_RET_ALLOW},
		{"setns", native, unix.SYS_SETNS, unix.SECCOMP_RET_ALLOW},
		{"unlinkat", native, unix.SYS_UNLINKAT, unix.SECCOMP_RET_ALLOW},
		{"execve", native, unix.SYS_EXECVE, unix.SECCOMP_RET_ERRNO | int(unix.EPERM)},
		{"ptrace", native, unix.SYS_PTRACE, unix.SECCOMP_RET_ERRNO | int(unix.EPERM)},
		{"mount", native, unix.SYS_MOUNT, unix.SECCOMP_RET_ERRNO | int(unix.EPERM)},
		{"execve by x32", native, unix.SYS_EXECVE | 0x40000000, unix.SECCOMP_RET_ERRNO | int(unix.EPERM)},
		{"read by x32", native, unix.SYS_READ | 0x40000000, unix.SECCOMP_RET_ERRNO | int(unix.EPERM)},
		{"anything by int 0x80", i386, 3, unix.SECCOMP_RET_KILL_PROCESS},
	}
	for _, tt := range tests {
		// The simulator reads big-endian, as packets are.
		data := binary.BigEndian.AppendUint32(nil, tt.number)
		data = binary.BigEndian.AppendUint32(data, tt.arch)
		got, err := vm.Run(data)
		if err != nil || uint32(got) != uint32(tt.want) {
			t.Errorf("%s: %#x, %v; want %#x", tt.name, got, err, tt.want)
		}
	}
}

func monitorVM(t *testing.T) *bpf.VM {
	t.Helper()
	var list []bpf.Instruction
	r := bytes.NewReader(MonitorProgram())
	for r.Len() > 0 {
		var raw bpf.RawInstruction
		if err := binary.Read(r, binary.NativeEndian, &raw); err != nil {
			t.Fatal(err)
		}
		list = append(list, raw.Disassemble())
	}
	vm, err := bpf.NewVM(list)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}
