package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What of the host and of its caller a default container can see.

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

func noNetwork(t *testing.T, sh *shell, _, _ int) {
	out := sh.in(`ls /sys/class/net; tail -n +2 /proc/net/route; grep -v ' lo$' /proc/net/ipv6_route; grep nameserver /etc/resolv.conf; true`)
	if out != "lo\n" {
		t.Errorf("%q", out)
	}
}

func noOtherProcess(t *testing.T, sh *shell, _, _ int) {
	got := sh.probe("reach")
	if len(got) != 1 || got["1"] != "processes" {
		// Two lines, "1" and "1 processes": the probe itself and nobody else.
		t.Errorf("a container reaches %v", got)
	}
}
