package main_test

import (
	"strings"
	"testing"
)

// What of the kernel a default container can use.

func maskedPaths(t *testing.T, sh *shell, _, _ int) {
	out := sh.in(`for p in /proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats /proc/sched_debug \
				/proc/scsi /proc/timer_list /proc/timer_stats /sys/firmware /sys/devices/virtual/powercap /sys/fs/selinux; do
			[ -e "$p" ] || continue
			if [ -d "$p" ]; then n=$(ls -A "$p" | wc -l); else n=$(head -c 100 "$p" | wc -c); fi
			[ "$n" = 0 ] || echo "$p shows something"
			! touch "$p/x" 2>/dev/null || echo "$p can be written"
			! umount "$p" 2>/dev/null || echo "$p can be unmounted"
		done; ls -d /sys/devices/system/cpu/cpu*/thermal_throttle 2>/dev/null | while read d; do ls -A "$d"; done`)
	if out != "" {
		t.Error(out)
	}
	control := sh.in(`head -c 100 /proc/interrupts | wc -c`, "--security-opt", "unmask=ALL")
	if strings.TrimSpace(control) == "0" {
		t.Error("control: /proc/interrupts is empty without a mask too")
	}
}

func readOnlyPaths(t *testing.T, sh *shell, _, _ int) {
	out := sh.in(`for f in /proc/sys/kernel/core_pattern /proc/sys/kernel/hostname /proc/sys/vm/swappiness /proc/sys/fs/file-max \
			/proc/sysrq-trigger /proc/irq/default_smp_affinity /sys/kernel/mm/transparent_hugepage/enabled /sys/class/net/lo/mtu; do
			[ ! -e $f ] || ! (echo 1 >$f) 2>/dev/null || echo $f; done
		for d in /proc/asound /proc/bus /proc/fs /proc/irq /proc/sys /sys; do
			[ ! -d $d ] || [ "$(findmnt -nlo OPTIONS -T $d | tail -n 1 | grep -c '^ro,\|^ro$')" = 1 ] || echo $d is not read-only; done
		findmnt -rno TARGET,OPTIONS | grep -E '^(/proc|/sys|/sys/fs/cgroup|/dev/shm|/dev/mqueue) ' |
			grep -v 'nosuid.*nodev.*noexec' || true`)
	if out != "" {
		t.Error(out)
	}
}

func systemCalls(t *testing.T, sh *shell, _, _ int) {
	got := sh.probe("syscalls")
	expect(t, got, "EPERM", map[string]string{"clone3": "ENOSYS", "unknown": "ENOSYS"})
	differs(t, got, sh.probe("syscalls", "--privileged"), 25)
}

func nativeABIOnly(t *testing.T, sh *shell, _, _ int) {
	got := sh.probe("abis")
	expect(t, got, "killed", map[string]string{"x32-getpid": "ENOSYS|killed|EPERM", "x32-unshare-user": "ENOSYS|killed|EPERM"})
	control := sh.probe("abis", "--security-opt", "compat32")
	if control["i386-getpid"] == "killed" && sh.probe("abis", "--privileged")["i386-getpid"] != "killed" {
		t.Error("compat32 does not let 32-bit calls in")
	}
}

func socketFamilies(t *testing.T, sh *shell, _, _ int) {
	got := sh.probe("sockets")
	expect(t, got, "EPERM", map[string]string{"family-1": "ok", "family-2": "ok", "family-10": "ok|EAFNOSUPPORT", "family-16": "ok"})
	differs(t, got, sh.probe("sockets", "--security-opt", "seccomp=unconfined"), 10)
}

func netlinkProtocols(t *testing.T, sh *shell, _, _ int) {
	// AUDIT (9) says EINVAL, which libaudit takes for a kernel without it.
	got := sh.probe("netlinks")
	expect(t, got, "EPERM", map[string]string{"netlink-0": "ok", "netlink-9": "EINVAL"})
	differs(t, got, sh.probe("netlinks", "--security-opt", "seccomp=unconfined"), 5)
}

func deviceNodes(t *testing.T, sh *shell, _, _ int) {
	want := "/dev/full 1:7\n/dev/null 1:3\n/dev/pts/ptmx 5:2\n/dev/random 1:8\n/dev/tty 5:0\n/dev/urandom 1:9\n/dev/zero 1:5\n"
	if got := sh.in(`find /dev | xargs stat -c '%F %n %t:%T' | sed -n 's/^\(character\|block\) special file //p' | sort`); got != want {
		t.Errorf("devices:\n%swant:\n%s", got, want)
	}
	if out := sh.in(`mknod /b b 8 0 2>&1 && cat /b; mknod /dev/kmsg c 1 11 2>&1 && head -c1 /dev/kmsg; true`); !strings.Contains(out, "not permitted") {
		t.Error(out)
	}
}

func noNestedNamespaces(t *testing.T, sh *shell, _, _ int) {
	if out := sh.in("cat /proc/sys/user/max_user_namespaces"); out != "0\n" {
		t.Error("max_user_namespaces", out)
	}
	r := sh.try("burrow", "run", "--rm", "--security-opt", "seccomp=unconfined", "debian", "unshare", "-U", "true")
	if r.code == 0 || !strings.Contains(r.err, "No space left on device") {
		t.Errorf("without a filter: %d %s", r.code, r.err)
	}
}

func terminals(t *testing.T, sh *shell, _, _ int) {
	expect(t, sh.probe("terminal"), "EPERM", map[string]string{"session-leader": "ok", "isatty": "ENOTTY"})
	expect(t, sh.probe("terminal", "-t"), "EPERM", map[string]string{"session-leader": "ok", "isatty": "ok"})
	if out := sh.in("readlink /proc/1/fd/0 /proc/1/fd/1"); strings.Contains(out, "pts") {
		t.Error("a terminal without -t:", out)
	}
}

func personalities(t *testing.T, sh *shell, _, _ int) {
	expect(t, sh.probe("personalities"), "EPERM", map[string]string{
		"personality-0": "ok", "personality-8": "ok", "personality-20000": "ok", "personality-20008": "ok", "personality-ffffffff": "ok",
	})
	if r := sh.try("burrow", "run", "--rm", "debian", "setarch", "-R", "true"); r.code == 0 {
		t.Error("address space randomisation can be switched off")
	}
}

func clocks(t *testing.T, sh *shell, _, _ int) {
	expect(t, sh.probe("clocks"), "EPERM", map[string]string{"adjtimex-read": "ok"})
}

func cgroups(t *testing.T, sh *shell, _, _ int) {
	for line := range strings.Lines(sh.in("cat /proc/self/cgroup")) {
		if !strings.HasSuffix(strings.TrimSpace(line), ":/") {
			t.Error("not the root of its cgroup namespace:", line)
		}
	}
	for _, flags := range [][]string{nil, {"--cgroupns=host"}, {"--network=host"}} {
		out := sh.in(`for d in $(find /sys/fs/cgroup -maxdepth 3 -type d 2>/dev/null); do
			mkdir $d/x 2>/dev/null && echo made $d/x; (echo 0 >$d/cgroup.procs) 2>/dev/null && echo joined $d; done; true`, flags...)
		if out != "" {
			t.Errorf("%v: %s", flags, out)
		}
	}
}
