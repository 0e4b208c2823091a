package security

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A probe is one system call made below the loaded filter.
type probe struct {
	name string
	abi  string
	nr   int
	args [6]int64
	want string
}

const (
	// marker is an errno that no kernel returns. The filter under test gives it
	// where it would give EPERM, so an answer of the kernel cannot pass for one
	// of the filter.
	marker    = 4001
	byFilter  = "errno 4001"
	noSuch    = "errno 38"
	invalid   = "errno 22"
	badSystem = "signal 31"
)

// refused are the calls of invariants I09, I10 and I31.
var refused = map[string]int{
	"unshare": unix.SYS_UNSHARE, "setns": unix.SYS_SETNS, "mount": unix.SYS_MOUNT, "umount2": unix.SYS_UMOUNT2,
	"pivot_root": unix.SYS_PIVOT_ROOT, "open_tree": unix.SYS_OPEN_TREE, "fsopen": unix.SYS_FSOPEN,
	"fsmount": unix.SYS_FSMOUNT, "fspick": unix.SYS_FSPICK, "fsconfig": unix.SYS_FSCONFIG,
	"move_mount": unix.SYS_MOVE_MOUNT, "mount_setattr": unix.SYS_MOUNT_SETATTR,
	"keyctl": unix.SYS_KEYCTL, "add_key": unix.SYS_ADD_KEY, "request_key": unix.SYS_REQUEST_KEY,
	"bpf": unix.SYS_BPF, "perf_event_open": unix.SYS_PERF_EVENT_OPEN, "userfaultfd": unix.SYS_USERFAULTFD,
	"io_uring_setup": unix.SYS_IO_URING_SETUP, "io_uring_enter": unix.SYS_IO_URING_ENTER,
	"io_uring_register": unix.SYS_IO_URING_REGISTER, "fanotify_init": unix.SYS_FANOTIFY_INIT,
	"kexec_load": unix.SYS_KEXEC_LOAD, "kexec_file_load": unix.SYS_KEXEC_FILE_LOAD,
	"init_module": unix.SYS_INIT_MODULE, "finit_module": unix.SYS_FINIT_MODULE, "delete_module": unix.SYS_DELETE_MODULE,
	"reboot": unix.SYS_REBOOT, "swapon": unix.SYS_SWAPON, "swapoff": unix.SYS_SWAPOFF, "acct": unix.SYS_ACCT,
	"settimeofday": unix.SYS_SETTIMEOFDAY, "clock_settime": unix.SYS_CLOCK_SETTIME,
	"syslog": unix.SYS_SYSLOG, "quotactl": unix.SYS_QUOTACTL,
	"open_by_handle_at": unix.SYS_OPEN_BY_HANDLE_AT, "kcmp": unix.SYS_KCMP, "pidfd_getfd": unix.SYS_PIDFD_GETFD,
	"vhangup": unix.SYS_VHANGUP, "mbind": unix.SYS_MBIND, "process_madvise": unix.SYS_PROCESS_MADVISE,
	"sethostname": unix.SYS_SETHOSTNAME, "setdomainname": unix.SYS_SETDOMAINNAME,
	"lookup_dcookie": unix.SYS_LOOKUP_DCOOKIE, "move_pages": unix.SYS_MOVE_PAGES, "migrate_pages": unix.SYS_MIGRATE_PAGES,
	"nfsservctl": 180, "_sysctl": 156, "ioperm": 173, "iopl": 172, "modify_ldt": 154, "open_tree_attr": 467, "quotactl_fd": 443,
}

// loadableProgram is the filter of an option set, with the marker for EPERM.
func loadableProgram(t *testing.T, o Options) string {
	t.Helper()
	h := Probe()
	p := mustCompile(t, o, h)
	rules, err := p.Seccomp.Rules()
	if err != nil {
		t.Fatal(err)
	}
	errno := uint(marker)
	rules.DefaultErrnoRet = &errno
	prog, err := assemble(rules, h.Arch)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "filter")
	if err := os.WriteFile(path, prog.Instructions, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// ask runs probes below a filter ("-": none).
func ask(t *testing.T, program, filter string, probes []probe) []string {
	t.Helper()
	var in bytes.Buffer
	for _, p := range probes {
		fmt.Fprintf(&in, "%s %d", p.abi, p.nr)
		for _, a := range p.args {
			fmt.Fprintf(&in, " %d", a)
		}
		in.WriteByte('\n')
	}
	cmd := exec.CommandContext(t.Context(), program, filter)
	cmd.Stdin = &in
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(probes) {
		t.Fatalf("%d answers to %d probes:\n%s", len(lines), len(probes), out)
	}
	return lines
}

func expect(t *testing.T, program, filter string, probes []probe) {
	t.Helper()
	for i, got := range ask(t, program, filter, probes) {
		if p := probes[i]; got != p.want && (p.want != "ok" || !strings.HasPrefix(got, "ok ")) {
			t.Errorf("%s %s: %s, want %s", p.abi, p.name, got, p.want)
		}
	}
}

// minusOnes are arguments that no call does harm with.
var minusOnes = [6]int64{-1, -1, -1, -1, -1, -1}

func TestDefaultFilterInTheKernel(t *testing.T) {
	needX86(t)
	program, filter := buildProbe(t), loadableProgram(t, Options{})
	t.Run("I09-I10", func(t *testing.T) {
		var probes []probe
		for name, nr := range refused {
			want := byFilter
			if name == "open_tree_attr" {
				want = "errno 1" // the head's own answer
			}
			probes = append(probes, probe{name, "native", nr, minusOnes, want})
			if nr != 467 && nr != 443 { // names of other numbers there; the simulator does them all
				probes = append(probes, probe{name, "x32", nr, minusOnes, noSuch}, probe{name, "i386", nr, minusOnes, badSystem})
			}
		}
		expect(t, program, filter, probes)
	})
	t.Run("clone", func(t *testing.T) {
		var probes []probe
		for _, flag := range []int64{
			unix.CLONE_NEWNS, unix.CLONE_NEWUTS, unix.CLONE_NEWIPC, unix.CLONE_NEWUSER,
			unix.CLONE_NEWPID, unix.CLONE_NEWNET, unix.CLONE_NEWCGROUP, unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		} {
			probes = append(probes, probe{fmt.Sprintf("clone %#x", flag), "native", unix.SYS_CLONE, [6]int64{flag | int64(unix.SIGCHLD)}, byFilter})
		}
		probes = append(probes,
			probe{"clone3", "native", unix.SYS_CLONE3, [6]int64{}, noSuch},
			probe{"fork", "native", unix.SYS_CLONE, [6]int64{int64(unix.SIGCHLD)}, "ok"},
			probe{"beyond the table", "native", 600, [6]int64{}, noSuch},
			probe{"hole", "native", 400, [6]int64{}, noSuch})
		expect(t, program, filter, probes)
	})
	t.Run("I11-I12", func(t *testing.T) { expect(t, program, filter, socketProbes()) })
	t.Run("I28-I29", func(t *testing.T) {
		expect(t, program, filter, []probe{
			{"TIOCSTI", "native", unix.SYS_IOCTL, [6]int64{0, unix.TIOCSTI}, byFilter},
			{"TIOCSTI, upper half set", "native", unix.SYS_IOCTL, [6]int64{0, unix.TIOCSTI | 1<<40}, byFilter},
			{"TIOCLINUX", "native", unix.SYS_IOCTL, [6]int64{0, unix.TIOCLINUX}, byFilter},
			{"FIONREAD on no file", "native", unix.SYS_IOCTL, [6]int64{-1, unix.TIOCINQ}, "errno 9"},
			{"negative request on no file", "native", unix.SYS_IOCTL, [6]int64{-1, -2147199184}, "errno 9"},
			{"personality query", "native", unix.SYS_PERSONALITY, [6]int64{0xffffffff}, "ok"},
			{"personality linux32", "native", unix.SYS_PERSONALITY, [6]int64{8}, "ok"},
			{"no randomisation", "native", unix.SYS_PERSONALITY, [6]int64{0x40000}, byFilter},
			{"read implies exec", "native", unix.SYS_PERSONALITY, [6]int64{0x400000}, byFilter},
		})
	})
	t.Run("alive", func(t *testing.T) {
		expect(t, program, filter, []probe{
			{"getpid", "native", unix.SYS_GETPID, [6]int64{}, "ok"},
			{"fchmodat2", "native", 452, minusOnes, answerOf(t, program, 452)},
			{"futex_wake", "native", 454, minusOnes, answerOf(t, program, 454)},
		})
	})
}

// answerOf is what the kernel says without a filter.
func answerOf(t *testing.T, program string, nr int) string {
	t.Helper()
	return ask(t, program, "-", []probe{{"", "native", nr, minusOnes, ""}})[0]
}

func socketProbes() []probe {
	var out []probe
	for family := range int64(64) {
		for _, kind := range []int64{unix.SOCK_STREAM, unix.SOCK_DGRAM, unix.SOCK_RAW, unix.SOCK_SEQPACKET} {
			switch family {
			case unix.AF_UNIX, unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK:
				continue
			}
			out = append(out, probe{fmt.Sprintf("family %d", family), "native", unix.SYS_SOCKET, [6]int64{family, kind}, byFilter})
		}
	}
	for protocol := int64(1); protocol < 23; protocol++ {
		want := byFilter
		if protocol == unix.NETLINK_AUDIT {
			want = invalid
		}
		args := [6]int64{unix.AF_NETLINK, unix.SOCK_RAW, protocol}
		out = append(out, probe{fmt.Sprintf("netlink %d", protocol), "native", unix.SYS_SOCKET, args, want})
	}
	return append(out,
		probe{"unix", "native", unix.SYS_SOCKET, [6]int64{unix.AF_UNIX, unix.SOCK_STREAM}, "ok"},
		probe{"inet", "native", unix.SYS_SOCKET, [6]int64{unix.AF_INET, unix.SOCK_STREAM}, "ok"},
		probe{"inet6", "native", unix.SYS_SOCKET, [6]int64{unix.AF_INET6, unix.SOCK_DGRAM}, "ok"},
		probe{"netlink route", "native", unix.SYS_SOCKET, [6]int64{unix.AF_NETLINK, unix.SOCK_RAW, 0}, "ok"},
		probe{"inet by int", "native", unix.SYS_SOCKET, [6]int64{unix.AF_INET | 1<<40, unix.SOCK_STREAM}, "ok"},
		probe{"AF_ALG, upper half set", "native", unix.SYS_SOCKET, [6]int64{unix.AF_ALG | 1<<40, unix.SOCK_SEQPACKET}, byFilter},
		probe{"pair tipc", "native", unix.SYS_SOCKETPAIR, [6]int64{unix.AF_TIPC, unix.SOCK_SEQPACKET}, byFilter},
		// The hole of the profile this one is made from: int 0x80, socketcall(2).
		probe{"i386 socketcall", "i386", 102, [6]int64{1}, badSystem},
		probe{"i386 socket AF_ALG", "i386", 359, [6]int64{unix.AF_ALG, unix.SOCK_SEQPACKET}, badSystem})
}

// TestFilterCanFail shows that the probes above depend on the filter: without
// one, not a single answer is the filter's.
func TestFilterCanFail(t *testing.T) {
	needX86(t)
	program := buildProbe(t)
	for i, got := range ask(t, program, "-", socketProbes()) {
		if got == byFilter || got == badSystem {
			t.Errorf("%s without a filter: %s", socketProbes()[i].name, got)
		}
	}
}

func TestOptInsInTheKernel(t *testing.T) {
	needX86(t)
	program := buildProbe(t)
	t.Run("compat32", func(t *testing.T) {
		expect(t, program, loadableProgram(t, variants["compat32"]), []probe{
			{"getpid", "i386", 20, [6]int64{}, "ok"},
			{"mount", "i386", 21, minusOnes, byFilter},
			{"unshare", "i386", 310, [6]int64{unix.CLONE_NEWUSER}, byFilter},
			{"clone NEWUSER", "i386", 120, [6]int64{unix.CLONE_NEWUSER | int64(unix.SIGCHLD)}, byFilter},
			{"clone3", "i386", 435, [6]int64{}, noSuch},
			{"TIOCSTI", "i386", 54, [6]int64{0, unix.TIOCSTI}, byFilter},
			{"getpid", "x32", unix.SYS_GETPID, [6]int64{}, noSuch},
		})
	})
	t.Run("nesting", func(t *testing.T) {
		expect(t, program, loadableProgram(t, variants["nesting"]), []probe{
			{"mount", "native", unix.SYS_MOUNT, minusOnes, answerOf(t, program, unix.SYS_MOUNT)},
			{"pivot_root", "native", unix.SYS_PIVOT_ROOT, minusOnes, answerOf(t, program, unix.SYS_PIVOT_ROOT)},
			{"clone3", "native", unix.SYS_CLONE3, minusOnes, answerOf(t, program, unix.SYS_CLONE3)},
			{"keyctl", "native", unix.SYS_KEYCTL, minusOnes, noSuch},
			{"bpf", "native", unix.SYS_BPF, minusOnes, byFilter},
		})
	})
	t.Run("SYS_ADMIN", func(t *testing.T) {
		expect(t, program, loadableProgram(t, variants["sys-admin"]), []probe{
			{"clone NEWUSER", "native", unix.SYS_CLONE, [6]int64{unix.CLONE_NEWUSER | int64(unix.SIGCHLD)}, byFilter},
			{"unshare NEWUSER", "native", unix.SYS_UNSHARE, [6]int64{unix.CLONE_NEWUSER}, byFilter},
			{"clone3", "native", unix.SYS_CLONE3, [6]int64{}, noSuch},
			{"unshare nothing", "native", unix.SYS_UNSHARE, [6]int64{}, "ok"},
		})
	})
}
