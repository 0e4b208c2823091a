package vm_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/burrow-run/burrow/test/vm"
)

// The environment of the suite:
//
//	BURROW_CACHE      where bases are kept (in its subdirectory vm), default ../../.cache
//	BURROW_BIN        executables under test, default ../../bin
//	BURROW_IMAGES     directory of image tars, default /var/tmp/burrow-test
//	BURROW_MIRROR     Debian mirror of the machine's packages
//	BURROW_VM_KERNEL  6.1 (default) or 6.12
//	BURROW_VM_SELINUX enforcing: boot and run everything so (default permissive)
//	BURROW_REQUIRE_VM 1: what would be skipped fails
//	BURROW_LONG       1: the attribution test runs ten minutes, not half of one
func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

// bed is the one machine of this test process, booted by the first test that asks.
type bed struct {
	once    sync.Once
	machine *vm.Machine
	err     error
	skip    bool // err is about the host, not about us
	told    bool
	tools   string // directory of programs of ours, beside the machine
	noTools error  // why watch is not among them

	burrow    sync.Once // installs it and loads alice's images
	burrowErr error
}

var shared bed

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.machine != nil {
		if err := shared.machine.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if shared.tools != "" {
		_ = os.RemoveAll(shared.tools)
	}
	os.Exit(code)
}

// boot does not log to the test that happens to be first: the machine outlives it.
func (b *bed) boot(log *slog.Logger) {
	recipe := vm.Recipe{
		Cache:  filepath.Join(env("BURROW_CACHE", "../../.cache"), "vm"),
		Mirror: os.Getenv("BURROW_MIRROR"), Log: log,
	}
	var err error
	if recipe.Cache, err = filepath.Abs(recipe.Cache); err != nil {
		b.err = err
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	if b.err = recipe.Prerequisites(ctx); b.err != nil {
		b.skip = true
		return
	}
	base, err := recipe.Build(ctx)
	if err != nil {
		b.err = err
		return
	}
	ctx, cancel = context.WithTimeout(context.Background(), 4*time.Minute)
	defer cancel()
	if b.tools, b.err = os.MkdirTemp("", "burrow-vm-tools-"); b.err != nil {
		return
	}
	b.noTools = buildTool(ctx, "./watch", filepath.Join(b.tools, "watch"))
	payload := vm.PayloadOf("../..", env("BURROW_BIN", "../../bin"), env("BURROW_IMAGES", "/var/tmp/burrow-test"))
	payload["tools"], payload["testdata"] = b.tools, "testdata"
	b.machine, b.err = vm.Boot(ctx, base, vm.Options{
		Kernel:    env("BURROW_VM_KERNEL", "6.1"),
		Enforcing: env("BURROW_VM_SELINUX", "") == "enforcing",
		Payload:   payload,
		Log:       log,
	})
	if b.err == nil {
		b.err = b.machine.MountPayload(ctx)
	}
}

// buildTool builds a program that runs in the machine, static, for its C library need
// not be this host's.
func buildTool(ctx context.Context, pkg, target string) error {
	compiler, err := exec.LookPath("go")
	if err != nil {
		compiler = "/usr/local/go/bin/go" // sudo has a PATH of its own
	}
	cmd := exec.CommandContext(ctx, compiler, "build", "-buildvcs=false", "-trimpath", "-o", target, pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w: %s", pkg, err, out)
	}
	return nil
}

// guest is the machine in the hands of one test.
type guest struct {
	testing.TB
	machine *vm.Machine
}

// enter returns the booted machine, or skips t saying what this host lacks. If the
// test fails, its part of the machine's journal and the SELinux denials go to the log.
func enter(t *testing.T) guest {
	t.Helper()
	if testing.Short() {
		skip(t, "boots a virtual machine; not in -short")
	}
	shared.once.Do(func() { shared.boot(slog.New(slog.NewTextHandler(os.Stderr, nil))) })
	switch {
	case shared.skip:
		skip(t, shared.err.Error())
	case shared.err != nil && shared.told:
		t.Fatal("no machine, as said above")
	case shared.err != nil:
		shared.told = true
		t.Fatal(shared.err)
	}
	if err := shared.machine.Alive(); err != nil {
		t.Fatalf("%v\nconsole: %s", err, shared.machine.Console())
	}
	g := guest{TB: t, machine: shared.machine}
	since := strings.TrimSpace(g.must("root", "date +%s"))
	t.Cleanup(func() {
		if !t.Failed() || shared.machine.Alive() != nil {
			return
		}
		g.Logf("journal:\n%s", g.run("root", "journalctl --no-pager -q -o short-monotonic -n 150 --since @"+since).Stdout)
		g.Logf("denials:\n%s", g.denials(since))
	})
	return g
}

// denials returns the SELinux denials since a time in seconds.
func (g guest) denials(since string) string {
	return g.run("root", "ausearch --input-logs -m avc,selinux_err --raw 2>/dev/null | "+
		"grep -E '^type=(AVC|SELINUX_ERR)' | awk -F'[(.]' '$2 >= "+since+"' | tail -n 60").Stdout
}

// skip skips, unless the caller of the suite has promised that nothing is missing.
func skip(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("BURROW_REQUIRE_VM") == "1" {
		t.Fatalf("BURROW_REQUIRE_VM=1, but: %s", why)
	}
	t.Skip(why)
}

// run runs a script as user in a session that the tests share.
func (g guest) run(user, script string) vm.Result {
	g.Helper()
	return g.within(2*time.Minute, func(ctx context.Context) (vm.Result, error) {
		return g.machine.Run(ctx, user, script)
	})
}

// login runs a script in a session of its own.
func (g guest) login(user, script string) vm.Result {
	g.Helper()
	return g.within(2*time.Minute, func(ctx context.Context) (vm.Result, error) {
		return g.machine.Login(ctx, user, script, false)
	})
}

func (g guest) within(limit time.Duration, f func(context.Context) (vm.Result, error)) vm.Result {
	g.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	r, err := f(ctx)
	if err != nil {
		if errors.Is(err, vm.ErrDied) {
			g.Fatalf("%v\nconsole: %s", err, g.machine.Console())
		}
		g.Fatalf("%v\nstdout: %s\nstderr: %s", err, r.Stdout, r.Stderr)
	}
	return r
}

// reboot restarts the machine.
func (g guest) reboot() {
	g.Helper()
	g.within(5*time.Minute, func(ctx context.Context) (vm.Result, error) { return vm.Result{}, g.machine.Reboot(ctx) })
}

// must is run for scripts that have to succeed; it returns their standard output.
func (g guest) must(user, script string) string {
	g.Helper()
	return g.ok(script, g.run(user, script))
}

func (g guest) ok(script string, r vm.Result) string {
	g.Helper()
	if r.Code != 0 {
		g.Fatalf("exit %d: %s\nstdout: %s\nstderr: %s", r.Code, script, r.Stdout, r.Stderr)
	}
	return r.Stdout
}
