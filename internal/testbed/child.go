package testbed

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// ChildVar tells a test that it is the child of another and runs as the user
// that it is for; its value is the ground's directory.
const ChildVar = "BURROW_TEST_GROUND"

// Child says whether this process is such a child, and on which ground.
func Child() (*Ground, bool) {
	dir, ok := os.LookupEnv(ChildVar)
	return &Ground{Dir: dir, Bin: dir + "/bin", Scripts: dir + "/script"}, ok
}

// Run runs one test of this executable, named as -test.run wants it, as the
// user on the host, and takes over its verdict. It needs root.
func (g *Ground) Run(t *testing.T, u *User, host Host, test string, env ...string) {
	t.Helper()
	self, err := g.TestBinary()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{self, "-test.run=" + test, "-test.v", "-test.count=1"}
	if d, ok := t.Deadline(); ok {
		args = append(args, fmt.Sprintf("-test.timeout=%s", untilShortlyBefore(d)))
	}
	cmd := u.Command(t.Context(), args[0], args[1:]...)
	if host.Setup != "" {
		cmd = host.command(t, u, args)
	}
	cmd.Dir = g.Dir
	cmd.Env = append(u.environ(), ChildVar+"="+g.Dir)
	cmd.Env = append(cmd.Env, env...)
	// The child goes with this test, however that ends. What counts as its
	// parent is the thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	out, err := cmd.CombinedOutput()
	verdict(t, string(out), err)
}

var skipped = regexp.MustCompile(`(?m)^\s*--- SKIP: [^\n]*\n((?:\s+[^\n]*\n)*)`)

func verdict(t *testing.T, out string, err error) {
	t.Helper()
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	case strings.Contains(out, "testing: warning: no tests to run"):
		t.Errorf("bug: no such test\n%s", out)
	case skipped.MatchString(out):
		t.Skip(strings.TrimSpace(skipped.FindStringSubmatch(out)[1]))
	default:
		t.Log(out)
	}
}

// command wraps args so that the host is set up in a mount namespace of its own.
func (h Host) command(t *testing.T, u *User, args []string) *exec.Cmd {
	t.Helper()
	script := "set -eu\nmount --make-rprivate /\n" + h.Setup + "\n" +
		`exec setpriv --reuid "$UID_" --regid "$GID_" --init-groups --inh-caps=-all -- "$@"`
	wrap := []string{
		"UID_=" + strconv.Itoa(u.UID), "GID_=" + strconv.Itoa(u.GID), "USER_=" + u.Name, "HOME_=" + u.Home,
		"SCRATCH=" + t.TempDir(), "sh", "-c", script, "sh",
	}
	cmd := exec.CommandContext(t.Context(), "env", append(wrap, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if h.OwnUserNamespace {
		all := []syscall.SysProcIDMap{{Size: math.MaxUint32}}
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings, cmd.SysProcAttr.GidMappings = all, all
		cmd.SysProcAttr.GidMappingsEnableSetgroups = true
	}
	return cmd
}
