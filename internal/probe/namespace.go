package probe

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// What a child in namespaces of its own can do. One child answers each.
var (
	// UserNamespace is a user namespace whose owner has capabilities in it.
	UserNamespace = newFeature("user namespaces", "3.8", tryUserNamespace)
	// Namespaces are all the others a container has.
	Namespaces = newFeature("mount, pid, ipc, uts and network namespaces", "3.8", tryNamespaces)
	// ProcMount is a fresh procfs in a user namespace. The kernel refuses it
	// where the host's own /proc is partly covered (mount_too_revealing).
	ProcMount = newFeature("proc in a user namespace", "3.8", tryProcMount)
)

func tryUserNamespace() error {
	step, err := sys.Trial{Flags: sys.CloneNewUser}.Run()
	return judge(step, err)
}

func tryNamespaces() error {
	const all = sys.CloneNewUser | sys.CloneNewMount | sys.CloneNewPID |
		sys.CloneNewIPC | sys.CloneNewUTS | sys.CloneNewNet
	step, err := sys.Trial{Flags: all}.Run()
	return judge(step, err)
}

func tryProcMount() error {
	step, err := sys.Trial{Flags: sys.CloneNewUser | sys.CloneNewMount, Proc: true}.Run()
	return judge(step, err)
}

// judge tells a namespace that cannot be made from one that is worth nothing.
// A single mapping of the caller's own IDs needs no capability outside, so
// EPERM after unshare comes from a policy on the inside.
func judge(step sys.TrialStep, err error) error {
	afterUnshare := step == sys.TrialMap || step == sys.TrialCaps || step == sys.TrialPrivate
	if afterUnshare && (errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)) {
		return fmt.Errorf("%w: %w", ErrCapsDenied, err)
	}
	return err
}

// Overlay tries an overlay file system in a user namespace with its layers in
// a temporary directory below dir: mounted with user.* extended attributes,
// written to, and with a lower file removed. It leaves nothing behind and is
// not cached, as the answer belongs to dir's file system.
func Overlay(dir string) error {
	top, err := os.MkdirTemp(dir, ".burrow-probe-")
	if err != nil {
		return fmt.Errorf("probe overlay: %w", err)
	}
	at := func(name string) string { return filepath.Join(top, name) }
	defer func() {
		// The kernel's own directory has mode 0 and may hold a whiteout.
		_ = os.Chmod(filepath.Join(at("work"), "work"), 0o700)
		_ = os.RemoveAll(top)
	}()
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(at(name), 0o700); err != nil {
			return fmt.Errorf("probe overlay: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(at("lower"), "old"), nil, 0o600); err != nil {
		return fmt.Errorf("probe overlay: %w", err)
	}
	step, err := sys.Trial{
		Flags: sys.CloneNewUser | sys.CloneNewMount,
		Overlay: "userxattr,lowerdir=" + escape(at("lower")) +
			",upperdir=" + escape(at("upper")) + ",workdir=" + escape(at("work")),
		Merged: at("merged"),
	}.Run()
	if err = judge(step, err); err != nil {
		return fmt.Errorf("overlay on %s: %w: %w", dir, ErrNotSupported, err)
	}
	return nil
}

// escape quotes what overlay's option parser would take for its own.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`).Replace(path)
}
