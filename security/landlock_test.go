package security

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

var children = map[string]func() int{
	"landlock": landlockChild,
	"control":  landlockChild,
}

// TestGoldenRuleset holds the data the gate gets, for each ABI that changed it.
func TestGoldenRuleset(t *testing.T) {
	var out strings.Builder
	for _, abi := range []int{2, 3, 4, 5, 6, 7, 9, 12} {
		data, err := json.Marshal(newRuleset(abi, false))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&out, string(data))
	}
	golden(t, "landlock.txt", []byte(out.String()))
}

func TestLandlockOnlyWhereItCanWork(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		abi  int
		want string
	}{
		"default":    {Options{}, 7, ""},
		"no kernel":  {Options{}, 0, "no Landlock"},
		"ABI 1":      {Options{}, 1, "ABI 1"},
		"off":        {Options{SecurityOpt: []string{"landlock=off"}}, 7, "landlock=off"},
		"sys_admin":  {Options{CapAdd: []string{"SYS_ADMIN"}}, 7, "CAP_SYS_ADMIN"},
		"nnp":        {Options{SecurityOpt: []string{"no-new-privileges=false"}}, 7, "no-new-privileges"},
		"nesting":    {Options{SecurityOpt: []string{"nesting"}}, 7, "nesting"},
		"privileged": {Options{Privileged: true}, 7, "--privileged"},
	} {
		h := testHost()
		h.Landlock = c.abi
		p := mustCompile(t, c.o, h)
		r := p.Report().Landlock
		if (p.Landlock == nil) != (c.want != "") || !strings.Contains(r.Reason, c.want) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestForExec(t *testing.T) {
	p := mustCompile(t, Options{}, testHost())
	e := p.ForExec()
	if e.Landlock == nil || e.Landlock.Scoped != 0 || e.Landlock.HandledFS != p.Landlock.HandledFS {
		t.Errorf("%+v", e.Landlock)
	}
	if p.Landlock.Scoped == 0 {
		t.Error("the container's own ruleset changed")
	}
	if e := mustCompile(t, Options{CapAdd: []string{"SYS_PTRACE"}}, testHost()).ForExec(); e.Landlock != nil {
		t.Errorf("%+v", e.Landlock)
	}
}

// TestLandlockInTheKernel puts a process into a root of its own, with a
// directory outside leaked to it, and compares what it can reach with and
// without the ruleset.
func TestLandlockInTheKernel(t *testing.T) {
	abi := sys.LandlockABI()
	if abi < landlockMinimum {
		t.Skipf("Landlock ABI %d: the policy has no ruleset here", abi)
	}
	free, err := runLandlockChild(t, "control")
	if err != nil {
		t.Skipf("no user namespace to change the root in: %v", err)
	}
	held, err := runLandlockChild(t, "landlock")
	if err != nil {
		t.Fatal(err)
	}
	const ok, denied, perm = "ok", "permission denied", "operation not permitted"
	for _, c := range []struct {
		what       string
		free, held string
		abi        int
	}{
		{"open through leaked directory", ok, denied, 2},
		{"create through leaked directory", ok, denied, 2},
		{"list leaked directory", ok, denied, 2},
		{"abstract socket of the host", ok, perm, 6},
		{"signal outside", ok, perm, 6},
		// What must go on working.
		{"write inside", ok, ok, 2},
		{"rename between directories", ok, ok, 2},
		{"truncate inside", ok, ok, 2},
		{"reopen standard output", ok, ok, 2},
		{"write to leaked open file", ok, ok, 2},
		{"pipe reopened", ok, ok, 2},
		{"signal itself", ok, ok, 2},
	} {
		if free[c.what] != c.free {
			t.Errorf("without Landlock, %s: %q, want %q", c.what, free[c.what], c.free)
		}
		if want := c.held; abi >= c.abi && held[c.what] != want {
			t.Errorf("%s: %q, want %q", c.what, held[c.what], want)
		}
	}
}

// runLandlockChild starts the child with a file as its standard output and a
// directory outside its root leaked as descriptor 3.
func runLandlockChild(t *testing.T, name string) (map[string]string, error) {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"root/a", "root/b", "root/proc", "outside"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "outside/secret"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	leaked, err := os.Open(filepath.Join(dir, "outside"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = leaked.Close() }()
	out, err := os.Create(filepath.Join(dir, "outside/stdout"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	address := "burrow-test-" + strconv.Itoa(os.Getpid()) + "-" + name
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", "@"+address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = []string{
		childVariable + "=" + name, "ROOT=" + filepath.Join(dir, "root"), "ADDRESS=" + address,
		"OUTSIDE=" + strconv.Itoa(os.Getpid()),
	}
	cmd.Stdout = out
	var stderr strings.Builder
	cmd.Stderr = &stderr
	cmd.ExtraFiles = []*os.File{leaked}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, stderr.String())
	}
	data, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	result := map[string]string{}
	for line := range strings.Lines(string(data)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			result[k] = v
		}
	}
	return result, nil
}

// landlockChild is the process inside. One thread does everything, as a domain
// belongs to a thread.
func landlockChild() int {
	runtime.LockOSThread()
	if err := enterRoot(os.Getenv("ROOT")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if os.Getenv(childVariable) == "landlock" {
		if err := applyRuleset(newRuleset(sys.LandlockABI(), false)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	outside, _ := strconv.Atoi(os.Getenv("OUTSIDE"))
	var lines strings.Builder
	for _, c := range landlockChecks(outside, os.Getenv("ADDRESS")) {
		result := "ok"
		if err := c.do(); err != nil {
			result = err.Error()
		}
		fmt.Fprintf(&lines, "%s: %s\n", c.what, result)
	}
	_, _ = os.Stdout.WriteString(lines.String())
	return 0
}

func enterRoot(root string) error {
	if err := unix.Mount("/proc", filepath.Join(root, "proc"), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("bind proc: %w", err)
	}
	if err := unix.Chroot(root); err != nil {
		return fmt.Errorf("chroot: %w", err)
	}
	return unix.Chdir("/")
}

// applyRuleset does what the gate does.
func applyRuleset(r *Ruleset) error {
	set, err := sys.LandlockCreate(r.HandledFS, r.Scoped)
	if err != nil {
		return err
	}
	for _, rule := range r.Rules {
		fd := rule.FD
		if rule.Path != "" {
			if fd, err = unix.Open(rule.Path, unix.O_PATH|unix.O_CLOEXEC, 0); err != nil {
				return err
			}
		}
		if rule.Optional && !isFile(fd) {
			continue
		}
		if err := sys.LandlockAllow(set, fd, rule.Access); err != nil {
			return err
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return sys.LandlockRestrict(set)
}

func isFile(fd int) bool {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return false
	}
	kind := st.Mode & unix.S_IFMT
	return kind == unix.S_IFREG || kind == unix.S_IFCHR
}

type check struct {
	what string
	do   func() error
}

func landlockChecks(outside int, address string) []check {
	open := func(dir int, path string, flags int) error {
		fd, err := unix.Openat(dir, path, flags|unix.O_CLOEXEC, 0o600)
		if err == nil {
			_ = unix.Close(fd)
		}
		return err
	}
	const leaked, here = 3, unix.AT_FDCWD
	return []check{
		{"open through leaked directory", func() error { return open(leaked, "secret", unix.O_RDONLY) }},
		{"create through leaked directory", func() error { return open(leaked, "new", unix.O_WRONLY|unix.O_CREAT) }},
		{"list leaked directory", func() error { return open(leaked, ".", unix.O_RDONLY|unix.O_DIRECTORY) }},
		{"abstract socket of the host", func() error { return dial("\x00" + address) }},
		{"signal outside", func() error { return unix.Kill(outside, 0) }},
		{"write inside", func() error { return open(here, "/a/file", unix.O_WRONLY|unix.O_CREAT) }},
		{"rename between directories", func() error { return unix.Rename("/a/file", "/b/file") }},
		{"truncate inside", func() error { return unix.Truncate("/b/file", 0) }},
		{"reopen standard output", func() error { return open(here, "/proc/thread-self/fd/1", unix.O_WRONLY) }},
		{"write to leaked open file", func() error { _, err := unix.Write(1, []byte("\n")); return err }},
		{"pipe reopened", reopenPipe},
		{"signal itself", func() error { return unix.Kill(os.Getpid(), 0) }},
	}
}

func dial(name string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.Connect(fd, &unix.SockaddrUnix{Name: name})
}

func reopenPipe() error {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return err
	}
	fd, err := unix.Open(fmt.Sprintf("/proc/thread-self/fd/%d", p[0]), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}
