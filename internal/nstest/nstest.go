// Package nstest runs the tests of a package as somebody else than who started
// them: as root of a user namespace with many IDs, or as an unprivileged user.
// It is linked into tests only.
//
//	go test                    whoever starts it
//	└─ the test binary again   Main: root of a user and mount namespace
//	                           Unprivileged: the same user, or UID 54321 for root
//
// As the machine's root Main maps ID 0 to itself, so that files of the build can
// be read; as anybody else it needs newuidmap, sub-IDs and unshare(1) of
// util-linux 2.38, and falls back to a single ID.
package nstest

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/burrow-run/burrow/internal/probe"
)

const inside = "BURROW_TEST_NAMESPACE"

// UID is whom root becomes in Unprivileged: nobody has this number.
const UID = 54321

// Main is the body of a TestMain whose tests need a user namespace.
func Main(m *testing.M) int { return once(m, namespaced) }

// Unprivileged is the body of a TestMain whose tests must not be root.
func Unprivileged(m *testing.M) int {
	if os.Geteuid() != 0 {
		return m.Run()
	}
	return once(m, unprivileged)
}

func once(m *testing.M, again func(context.Context) (*exec.Cmd, error)) int {
	defer keepProfile()
	if os.Getenv(inside) != "" {
		return m.Run()
	}
	flag.Parse()
	cmd, err := again(context.Background())
	if err == nil {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.Env = append(append(os.Environ(), inside+"=1"), cmd.Env...)
		err = cmd.Run()
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, "start the tests again:", err)
	return 1
}

// self executes this test binary again. The path would not do: the directory
// is closed to other users.
func self(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	return cmd
}

func namespaced(ctx context.Context) (*exec.Cmd, error) {
	cmd := self(ctx)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS}
	switch {
	case os.Geteuid() == 0:
		maps := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: 1, HostID: 3_000_000, Size: 65535}}
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = maps, maps
		cmd.SysProcAttr.GidMappingsEnableSetgroups = true
	case mapsAuto(ctx):
		args := append([]string{"--map-auto", "--map-root-user", "--user", "--mount", "--", os.Args[0]}, os.Args[1:]...)
		cmd = exec.CommandContext(ctx, "unshare", args...)
	default:
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	return cmd, nil
}

// unprivileged gives the other user what the tests write to: a temporary
// directory of his own, and the profile that -coverprofile asks for.
func unprivileged(ctx context.Context) (*exec.Cmd, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("burrow-test-%d", UID))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chown(dir, UID, UID); err != nil {
		return nil, err
	}
	cmd := self(ctx)
	cmd.Args = slices.DeleteFunc(cmd.Args, func(arg string) bool {
		// Where he may not write; they can be done without.
		return strings.HasPrefix(arg, "-test.testlogfile=") || strings.HasPrefix(arg, "-test.gocoverdir=")
	})
	if profile() != "" {
		cmd.Args = append(cmd.Args, "-test.coverprofile="+hisProfile())
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: UID, Gid: UID}}
	cmd.Env = []string{"TMPDIR=" + dir, "HOME=" + dir, "XDG_RUNTIME_DIR="}
	return cmd, nil
}

// profile is where -coverprofile is to be written, "" without the flag.
func profile() string {
	f := flag.Lookup("test.coverprofile")
	if f == nil || f.Value.String() == "" {
		return ""
	}
	path := f.Value.String()
	if out := flag.Lookup("test.outputdir"); out != nil && !filepath.IsAbs(path) {
		path = filepath.Join(out.Value.String(), path)
	}
	return path
}

// hisProfile is where the other user can write it.
func hisProfile() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("burrow-test-%d", UID), fmt.Sprintf("cover-%d", os.Getpid()))
}

// keepProfile takes it over.
func keepProfile() {
	text, err := os.ReadFile(hisProfile())
	if err != nil || profile() == "" {
		return
	}
	_ = os.WriteFile(profile(), text, 0o600)
	_ = os.Remove(hisProfile())
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

// Need skips a test where the kernel or this host lacks a feature, and says why.
func Need(t testing.TB, features ...*probe.Feature) {
	t.Helper()
	for _, f := range features {
		if err := f.Err(); err != nil {
			t.Skip(err)
		}
	}
}
