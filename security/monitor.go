package security

import (
	"encoding/binary"
	"runtime"

	"golang.org/x/sys/unix"
)

// MonitorProgram is the seccomp program of the process that waits for a
// container: what it never needs once the payload runs, and what whoever took it
// over would want first. It is a list of refusals, not of permissions, because
// the Go runtime's needs are the runtime's business. It does not keep the monitor
// from files, signals and sockets, which are its work.
//
// The result is a raw struct sock_filter array; nil on a machine whose
// architecture it does not know. A filter outlives execve, so it is not for a
// supervisor that starts its container again.
func MonitorProgram() []byte {
	arch, known := map[string]uint32{
		"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64,
	}[runtime.GOARCH]
	if !known {
		return nil
	}
	refused := []uint32{
		unix.SYS_PTRACE, unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PIDFD_GETFD, unix.SYS_KCMP,
		unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_MOVE_MOUNT, unix.SYS_OPEN_TREE,
		unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOUNT_SETATTR,
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_PERSONALITY,
		unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
		unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
		unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD,
		unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL,
		unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_OPEN_BY_HANDLE_AT,
		unix.SYS_EXECVE, unix.SYS_EXECVEAT,
	}
	return refusals(arch, refused)
}

// refusals assembles: another architecture's calls kill the process, each of the
// numbers is EPERM, the rest is allowed (seccomp(2), struct seccomp_data).
func refusals(arch uint32, numbers []uint32) []byte {
	const (
		offsetNumber = 0
		offsetArch   = 4
		load         = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal        = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		atLeast      = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
		answer       = unix.BPF_RET | unix.BPF_K
		x32Bit       = 0x40000000
	)
	var prog []byte
	add := func(code uint16, yes uint8, k uint32) { // if not, the next one
		prog = binary.NativeEndian.AppendUint16(prog, code)
		prog = append(prog, yes, 0)
		prog = binary.NativeEndian.AppendUint32(prog, k)
	}
	n := uint8(len(numbers))
	add(load, 0, offsetArch)
	add(equal, 1, arch)
	add(answer, 0, unix.SECCOMP_RET_KILL_PROCESS)
	add(load, 0, offsetNumber)
	add(atLeast, n+1, x32Bit) // the same calls by x32's numbers
	for i, number := range numbers {
		add(equal, n-uint8(i), number)
	}
	add(answer, 0, unix.SECCOMP_RET_ALLOW)
	add(answer, 0, unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM))
	return prog
}
