package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/testbed"
)

// podmansEleven are the capabilities of container root.
const podmansEleven = "00000000800405fb"

// TestInvariant shows what always holds for a default foreground container, in
// the numbering of the security cases (docs/security.md). I16, I26 (other user),
// I30 and I34 have tests of their own; what does not apply here is listed there.
func TestInvariant(t *testing.T) {
	buildProbe(t)
	asUser(t, func(t *testing.T, sh *shell) {
		p := sh.start("a", "debian", "sleep", "1000")
		q := sh.start("b", "debian", "sleep", "1000")
		for _, c := range []struct {
			name string
			test func(t *testing.T, sh *shell, p, q int)
		}{
			{"I01", ownNamespaces},
			{"I02", ownerOfNamespaces},
			{"I03", noNewPrivileges},
			{"I04", exactCapabilities},
			{"I05", noDescriptors},
			{"I06", noEnvironment},
			{"I07", maskedPaths},
			{"I08", readOnlyPaths},
			{"I09-I10", systemCalls},
			{"I09-abi", nativeABIOnly},
			{"I11", socketFamilies},
			{"I12", netlinkProtocols},
			{"I13", deviceNodes},
			{"I14", keyrings},
			{"I15", abstractSockets},
			{"I17", disjointIDs},
			{"I18", noOtherProcess},
			{"I19", nothingSetuid},
			{"I20", loginUID},
			{"I21", oomScore},
			{"I22", limits},
			{"I23", cgroups},
			{"I24", noNestedNamespaces},
			{"I25", privateMounts},
			{"I26", plantedSetuid},
			{"I27", storeOutOfReach},
			{"I28", terminals},
			{"I29", personalities},
			{"I31", clocks},
			{"I33", securityModules},
			{"I35", relaxationsAreListed},
			{"I36", noNetwork},
		} {
			t.Run(c.name, func(t *testing.T) {
				c.test(t, sh.with(t), p, q)
			})
		}
	})
}

func nsOf(t *testing.T, pid int, kind string) string {
	t.Helper()
	s, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ownNamespaces(t *testing.T, _ *shell, p, q int) {
	// The time namespace is the host's: it hides nothing and isolates nothing
	// that a container could change.
	for _, kind := range []string{"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"} {
		if nsOf(t, p, kind) == nsOf(t, os.Getpid(), kind) {
			t.Errorf("%s namespace is the host's", kind)
		}
		if nsOf(t, p, kind) == nsOf(t, q, kind) {
			t.Errorf("%s namespace is shared by two containers", kind)
		}
	}
}

// ownerOfNamespaces walks up from the container's user namespace: the outermost
// one below the host's belongs to the invoking user.
func ownerOfNamespaces(t *testing.T, sh *shell, p, _ int) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/ns/user", p), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var mine unix.Stat_t
	if err := unix.Stat("/proc/self/ns/user", &mine); err != nil {
		t.Fatal(err)
	}
	var owners []int
	for {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			t.Fatal(err)
		}
		if st.Ino == mine.Ino {
			break
		}
		var uid uint32
		if uid, err = ownerUID(fd); err != nil {
			t.Fatal(err)
		}
		owners = append(owners, int(uid))
		up, err := unix.IoctlRetInt(fd, unix.NS_GET_PARENT)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(fd)
		fd = up
	}
	unix.Close(fd)
	if len(owners) != 2 || owners[len(owners)-1] != sh.user.UID {
		t.Errorf("owners %v, want two levels, the outermost owned by %d", owners, sh.user.UID)
	}
}

func ownerUID(fd int) (uint32, error) {
	n, err := unix.IoctlGetInt(fd, unix.NS_GET_OWNER_UID)
	return uint32(n), err
}

func noNewPrivileges(t *testing.T, _ *shell, p, _ int) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", p))
	if err != nil || len(tasks) == 0 {
		t.Fatal("no tasks", err)
	}
	for _, path := range tasks {
		if s := status(t, path); s["NoNewPrivs"] != "1" || s["Seccomp"] != "2" {
			t.Errorf("%s: NoNewPrivs %s, Seccomp %s", path, s["NoNewPrivs"], s["Seccomp"])
		}
	}
}

func exactCapabilities(t *testing.T, sh *shell, p, _ int) {
	s := status(t, fmt.Sprintf("/proc/%d/status", p))
	zero := strings.Repeat("0", 16)
	for set, want := range map[string]string{
		"CapInh": zero, "CapAmb": zero, "CapPrm": podmansEleven, "CapEff": podmansEleven, "CapBnd": podmansEleven,
	} {
		if s[set] != want {
			t.Errorf("%s %s, want %s", set, s[set], want)
		}
	}
	// Neither su, nor a setuid program, nor file capabilities bring anything to a user.
	none := regexp.MustCompile(`^CapPrm:\s0{16}\nCapEff:\s0{16}\n$`)
	const show = `grep -E 'Cap(Prm|Eff)' /proc/self/status`
	for name, script := range map[string]string{
		"user":   `su nobody -s /bin/sh -c "` + show + `"`,
		"setuid": `cp /bin/grep /g; chmod 4755 /g; su nobody -s /bin/sh -c "/g -E 'Cap(Prm|Eff)' /proc/self/status"`,
		"files":  `cp /bin/grep /g; /probe filecap /g >/dev/null; su nobody -s /bin/sh -c "/g -E 'Cap(Prm|Eff)' /proc/self/status"`,
	} {
		if out := sh.in(script, "-v", probePath()+":/probe:ro"); !none.MatchString(out) {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// noDescriptors opens everything that a careless caller might and looks inside.
func noDescriptors(t *testing.T, sh *shell, _, _ int) {
	cmd := sh.command("burrow", "run", "--rm", "-v", probePath()+":/probe:ro", "busybox", "/probe", "fds")
	for _, path := range []string{"/", "/etc", "/proc/self/ns/net", "/dev/zero", "/proc/1/status"} {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for range 40 {
			cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		}
	}
	out, err := cmd.Output()
	if err != nil || string(out) != "0\n1\n2\n" {
		t.Errorf("descriptors inside: %q, %v", out, err)
	}
}

func noEnvironment(t *testing.T, sh *shell, p, _ int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for kv := range strings.SplitSeq(strings.Trim(string(b), "\x00"), "\x00") {
		name, _, _ := strings.Cut(kv, "=")
		names = append(names, name)
	}
	slices.Sort(names)
	if want := []string{"HOME", "HOSTNAME", "PATH", "container"}; !slices.Equal(names, want) {
		t.Errorf("environment %v, want %v", names, want)
	}
	cmd := sh.command("burrow", "run", "--rm", "busybox", "env")
	cmd.Env = append(slices.Clone(cmd.Env), "CANARY=tweet", "LD_PRELOAD=/x", "GODEBUG=x")
	if out, err := cmd.Output(); err != nil || strings.Contains(string(out), "tweet") || strings.Contains(string(out), "LD_PRELOAD") {
		t.Errorf("%s %v", out, err)
	}
}

func maskedPaths(t *testing.T, sh *shell, _, _ int) {
	out := sh.in(`for p in acpi asound interrupts kcore keys latency_stats sched_debug scsi timer_list timer_stats; do
			echo /proc/$p; done | cat - /dev/stdin <<-END | while read -r p; do
			/sys/firmware
			/sys/devices/virtual/powercap
			/sys/fs/selinux
			END
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

func keyrings(t *testing.T, sh *shell, _, _ int) {
	ring, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, true)
	if err != nil {
		t.Skipf("no keyring on this host: %v", err)
	}
	if _, err := unix.AddKey("user", "burrow-e2e-key", []byte("secret"), ring); err != nil {
		t.Skipf("no key can be added on this host: %v", err)
	}
	if out := sh.in("cat /proc/keys"); out != "" {
		t.Error("/proc/keys:", out)
	}
	// The control: the kernel lists a key to everybody of its owner's UID, so it is
	// the mask that hides it; auto, where nobody has that UID, needs none.
	unmask := []string{"--security-opt", "unmask=ALL", "--security-opt", "seccomp=unconfined"}
	if out := sh.in("cat /proc/keys", unmask...); !strings.Contains(out, "burrow-e2e-key") {
		t.Error("control: the key is not there:", out)
	}
	if out := sh.in("cat /proc/keys", append(unmask, "--userns=auto")...); strings.Contains(out, "burrow-e2e-key") {
		t.Error("auto: the caller's key is visible:", out)
	}
}

func abstractSockets(t *testing.T, sh *shell, _, _ int) {
	name := "burrow-e2e-" + strconv.Itoa(os.Getpid())
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: "@" + name}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 8); err != nil {
		t.Fatal(err)
	}
	ask := func(flags ...string) string {
		args := append([]string{"burrow", "run", "--rm", "-v", probePath() + ":/probe:ro"}, flags...)
		return strings.TrimSpace(sh.run(append(args, "busybox", "/probe", "abstract", name)...))
	}
	if got := ask(); got != "abstract ECONNREFUSED" {
		t.Error(got)
	}
	if got := ask("--network=host"); got != "abstract EPERM" { // Landlock's scope
		t.Errorf("with the host's network: %s", got)
	}
	if got := ask("--network=host", "--security-opt", "landlock=off"); got != "abstract ok" {
		t.Errorf("control: %s", got)
	}
	if out := sh.in("cat /proc/net/unix"); strings.Contains(out, name) {
		t.Error(out)
	}
}

func lowerRanges(t *testing.T, pid int) (out [][2]int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/uid_map", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var inside, outside, count int
		if _, err := fmt.Sscan(line, &inside, &outside, &count); err != nil {
			t.Fatal(err)
		}
		out = append(out, [2]int{outside, count})
	}
	return out
}

func disjointIDs(t *testing.T, sh *shell, p, q int) {
	shared := func(a, b [][2]int) (n int) {
		for _, x := range a {
			for _, y := range b {
				n += max(0, min(x[0]+x[1], y[0]+y[1])-max(x[0], y[0]))
			}
		}
		return n
	}
	// Read from the host: the numbers are the host's.
	a, b := lowerRanges(t, p), lowerRanges(t, q)
	if shared(a, b) != 1 || shared(a, [][2]int{{sh.user.UID, 1}}) != 1 {
		t.Errorf("maps %v and %v share more, or less, than %d", a, b, sh.user.UID)
	}
	ids, err := sh.user.SubIDs()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range a {
		if !testbed.Owns(ids, r[0]) || !testbed.Owns(ids, r[0]+r[1]-1) {
			t.Errorf("%v is not among the user's %v", r, ids)
		}
	}
	x := lowerRanges(t, sh.start("x", "--userns=auto", "debian", "sleep", "1000"))
	y := lowerRanges(t, sh.start("y", "--userns=auto", "debian", "sleep", "1000"))
	if shared(x, y) != 0 || shared(x, a) != 0 || shared(x, [][2]int{{sh.user.UID, 1}}) != 0 {
		t.Errorf("auto: %v shares with %v or %v", x, y, a)
	}
}

func noOtherProcess(t *testing.T, sh *shell, _, _ int) {
	got := sh.probe("reach")
	if len(got) != 1 || got["1"] != "processes" {
		// Two lines, "1" and "1 processes": the probe itself and nobody else.
		t.Errorf("a container reaches %v", got)
	}
}

func nothingSetuid(t *testing.T, sh *shell, _, _ int) {
	err := filepath.Walk(ground.Bin, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		if info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
			t.Errorf("%s is setuid", path)
		}
		if n, err := unix.Getxattr(path, "security.capability", nil); err == nil {
			t.Errorf("%s has file capabilities (%d bytes)", path, n)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	// The engine, which lives in the anchor, leaves no core and cannot be traced:
	// its /proc files belong to root, not to the user.
	out, err := exec.Command("pgrep", "-u", sh.user.Name, "-f", "burrow run .*--name a ").Output() //nolint:noctx // ends at once
	if err != nil {
		t.Fatalf("pgrep: %v", err)
	}
	for pid := range strings.FieldsSeq(string(out)) {
		var st unix.Stat_t
		if err := unix.Stat("/proc/"+pid+"/mem", &st); err == nil && int(st.Uid) == sh.user.UID {
			t.Errorf("burrow run (%s) is dumpable", pid)
		}
	}
}

func loginUID(t *testing.T, sh *shell, p, _ int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/loginuid", p))
	if err != nil {
		t.Skipf("this kernel has no audit: %v", err)
	}
	mine, err := os.ReadFile("/proc/self/loginuid")
	if err != nil {
		t.Fatal(err)
	}
	want := string(mine) // set by a login: kept
	if want == "4294967295" {
		want = strconv.Itoa(sh.user.UID) // unset: burrow sets it before anything else
	}
	if string(b) != want {
		t.Errorf("loginuid %s, want %s", b, want)
	}
	if out := sh.in(`echo 5 >/proc/self/loginuid 2>&1 && echo written; cat /proc/self/loginuid`); strings.Contains(out, "written") {
		t.Error("a container can write its loginuid:", out)
	}
}

func oomScore(t *testing.T, sh *shell, p, _ int) {
	read := func(pid int) int {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid))
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if read(p) < read(os.Getpid()) {
		t.Error("less likely to be killed than its parent")
	}
	if out := sh.in(`echo -1000 >/proc/self/oom_score_adj 2>/dev/null && echo lowered; true`); out != "" {
		t.Error(out)
	}
}

func limits(t *testing.T, sh *shell, p, _ int) {
	if out := sh.in("umask"); out != "0022\n" {
		t.Error("umask", out)
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", p))
	if err != nil {
		t.Fatal(err)
	}
	for _, re := range []string{`(?m)^Max core file size\s+0\s+0\s`, `(?m)^Max locked memory\s+\d+\s+\d+\s`, `(?m)^Max open files\s+\d+\s+\d+\s`} {
		if !regexp.MustCompile(re).Match(b) {
			t.Errorf("no match for %s in\n%s", re, b)
		}
	}
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

func noNestedNamespaces(t *testing.T, sh *shell, _, _ int) {
	if out := sh.in("cat /proc/sys/user/max_user_namespaces"); out != "0\n" {
		t.Error("max_user_namespaces", out)
	}
	r := sh.try("burrow", "run", "--rm", "--security-opt", "seccomp=unconfined", "debian", "unshare", "-U", "true")
	if r.code == 0 || !strings.Contains(r.err, "No space left on device") {
		t.Errorf("without a filter: %d %s", r.code, r.err)
	}
}

// privateMounts demands exactly the mounts that a default container has.
func privateMounts(t *testing.T, sh *shell, p, _ int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", p))
	if err != nil {
		t.Fatal(err)
	}
	allowed := regexp.MustCompile(`^(/ / overlay|/ /(proc|dev|dev/pts|dev/mqueue|dev/shm|sys|sys/fs/cgroup) (proc|tmpfs|devpts|mqueue|sysfs|cgroup2)` +
		`|/files/\w+(\.conf)? /(run/\.containerenv|etc/(hostname|hosts|resolv\.conf|localtime)) tmpfs` +
		`|/(null|zero|full|random|urandom|tty) /(dev|proc|sys)/[\w./-]+ devtmpfs` +
		`|/(bus|fs|irq|sys|asound|sysrq-trigger) /proc/\S+ proc` +
		`|/ /(proc|sys)/\S+ tmpfs|/dev/\w+ /dev/\w+ \w+)$`)
	for line := range strings.Lines(string(b)) {
		before, after, _ := strings.Cut(strings.TrimSpace(line), " - ")
		f := strings.Fields(before)
		if len(f) > 6 {
			t.Errorf("not private: %s", line)
		}
		fs, _, _ := strings.Cut(after, " ")
		if key := f[3] + " " + f[4] + " " + fs; !allowed.MatchString(key) {
			t.Errorf("not declared: %s (%s)", key, line)
		}
		for _, dir := range []string{sh.getenv("XDG_DATA_HOME"), sh.work, sh.user.Home} {
			if strings.Contains(line, dir) {
				t.Errorf("a path of the host: %s", line)
			}
		}
	}
}

// plantedSetuid: what container root leaves in a volume gives nobody the caller's UID.
func plantedSetuid(t *testing.T, sh *shell, _, _ int) {
	dir := filepath.Join(sh.work, "vol")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	out := sh.in(`findmnt -no OPTIONS /vol; cp /usr/bin/id /vol/id; chmod 6755 /vol/id; su nobody -s /bin/sh -c '/vol/id -u'`, "-v", dir+":/vol")
	options, id, _ := strings.Cut(out, "\n")
	if !strings.Contains(options, "nosuid") || !strings.Contains(options, "nodev") || strings.TrimSpace(id) != "65534" {
		t.Error(out)
	}
}

func storeOutOfReach(t *testing.T, sh *shell, _, _ int) {
	canary := filepath.Join(sh.getenv("HOME"), "CANARY")
	if err := os.WriteFile(canary, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := sh.in(`find / -xdev \( -name CANARY -o -name containers -path '*burrow*' -o -name overlay-layers \) 2>/dev/null
		for r in /proc/[0-9]*/root /proc/[0-9]*/cwd; do ls $r/home 2>/dev/null; done; ls -A /boot`)
	if out != "" {
		t.Error("reachable:", out)
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

func securityModules(t *testing.T, sh *shell, p, _ int) {
	report := sh.run("burrow", "inspect", "--type", "container", "-f", `{{.SecurityReport.SELinux.Mode}} {{.SecurityReport.AppArmor}}`, "a")
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/attr/current", p))
	if err != nil { // no module: nothing is claimed
		if report != "none none\n" {
			t.Errorf("report %q without a security module", report)
		}
		return
	}
	if label := strings.Trim(string(b), "\x00\n"); label == "unconfined" && !strings.Contains(report, "unconfined") && !strings.Contains(report, "none") {
		t.Errorf("label %q, report %q", label, report)
	}
}

func relaxationsAreListed(t *testing.T, sh *shell, _, _ int) {
	for _, flag := range []string{
		"--privileged", "--security-opt=seccomp=unconfined", "--security-opt=no-new-privileges=false", "--security-opt=unmask=ALL",
		"--security-opt=landlock=off", "--security-opt=nesting", "--security-opt=compat32", "--cap-add=SYS_ADMIN",
		"--network=host", "--pid=host", "--ipc=host", "--uts=host", "--userns=host", "--cgroupns=host", "--device=/dev/null:/dev/x",
	} {
		r := sh.try("burrow", "run", "--name", "relaxed", flag, "debian", "true")
		if r.code != 0 {
			t.Errorf("%s: exit code %d: %s", flag, r.code, r.err)
			continue
		}
		out := sh.run("burrow", "inspect", "--type", "container", "-f", `{{.SecurityReport.Default}} {{len .SecurityReport.Deviations}}`, "relaxed")
		if !strings.HasPrefix(out, "false ") || strings.HasSuffix(out, " 0\n") {
			t.Errorf("%s: not listed: %s", flag, out)
		}
		sh.run("burrow", "rm", "relaxed")
	}
	if out := sh.run("burrow", "inspect", "--type", "container", "-f", `{{.SecurityReport.Default}}`, "a"); out != "true\n" {
		t.Error("the default is called a deviation:", out)
	}
}

func noNetwork(t *testing.T, sh *shell, _, _ int) {
	out := sh.in(`ls /sys/class/net; tail -n +2 /proc/net/route; grep -v ' lo$' /proc/net/ipv6_route; grep nameserver /etc/resolv.conf; true`)
	if out != "lo\n" {
		t.Errorf("%q", out)
	}
}
