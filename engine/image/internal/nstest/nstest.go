// Package nstest runs the tests of a package as root of a user namespace, with
// many IDs where the host allows it. It is linked into tests only.
//
// As the machine's root it maps ID 0 to itself, so that files of the build can
// be read; as anybody else it needs newuidmap, sub-IDs and unshare(1) of
// util-linux 2.38, and falls back to a single ID.
package nstest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

const inside = "BURROW_TEST_NAMESPACE"

// Main is the body of a TestMain.
func Main(m *testing.M) int {
	if os.Getenv(inside) != "" {
		return m.Run()
	}
	code, err := again(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, "no user namespace for the tests:", err)
		return 1
	}
	return code
}

// again executes this test binary in a user namespace.
func again(ctx context.Context) (int, error) {
	cmd := exec.CommandContext(ctx, os.Args[0], os.Args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS}
	switch {
	case os.Geteuid() == 0:
		maps := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: 1, HostID: 3_000_000, Size: 65535}}
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = maps, maps
		cmd.SysProcAttr.GidMappingsEnableSetgroups = true
	case mapsAuto(ctx):
		cmd = exec.CommandContext(ctx, "unshare", append([]string{"--map-auto", "--map-root-user", "--user", "--mount", "--", os.Args[0]}, os.Args[1:]...)...)
	default:
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=1")
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

func mapsAuto(ctx context.Context) bool {
	return exec.CommandContext(ctx, "unshare", "--map-auto", "--map-root-user", "--user", "true").Run() == nil
}

// NeedIDs skips a test that cannot work with a single ID.
func NeedIDs(t testing.TB) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(b), "\n") < 2 {
		t.Skip("one ID only in this user namespace: give the user sub-IDs and newuidmap")
	}
}
