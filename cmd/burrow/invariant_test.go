package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	out, err := exec.Command("pgrep", "-u", sh.user.Name, "-f", "burrow run .*--name a ").Output()
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
