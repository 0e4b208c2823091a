package doctor

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/probe"
)

func checkKernel(_ context.Context, h *host) []Finding {
	const name = "kernel"
	release := h.read("/proc/sys/kernel/osrelease")
	var required, other []string
	for _, f := range probe.Kernel() {
		switch {
		case f.OK(), f == probe.Landlock, f == probe.SeccompFilter: // have findings of their own
		case f == probe.CloneIntoCgroup:
			other = append(other, f.Name)
		default:
			required = append(required, fmt.Sprintf("%s (Linux %s)", f.Name, f.Since))
		}
	}
	switch {
	case len(required) > 0:
		return bad(name, Fail, release+" lacks "+strings.Join(required, ", "),
			"Burrow opens every path of a container with these and has no weaker way",
			"use Linux 6.1 or newer; inside a container, start that one with --security-opt seccomp=unconfined")
	case len(other) > 0:
		return bad(name, Warn, release+" lacks "+strings.Join(other, ", "),
			"a container is moved into its cgroup after it is made, which is slower",
			"use Linux 5.7 or newer; inside a container, start that one with --security-opt seccomp=unconfined")
	}
	return good(name, release)
}

func checkUserNamespace(_ context.Context, h *host) []Finding {
	const name = "user namespaces"
	err := probe.UserNamespace.Err()
	if err == nil {
		return good(name, "can be made, with capabilities inside")
	}
	detail, fix := h.whyNoUserNamespace(err)
	return bad(name, Fail, detail, "no container can run", fix)
}

// whyNoUserNamespace names the setting behind the errno of a trial.
func (h *host) whyNoUserNamespace(err error) (detail, fix string) {
	const sysctl = "/proc/sys/user/max_user_namespaces"
	limit, limited := h.number(sysctl)
	clone, hasClone := h.number("/proc/sys/kernel/unprivileged_userns_clone")
	restrict, _ := h.number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")
	switch {
	case errors.Is(err, unix.ENOSPC) && limited && limit == 0:
		return "user.max_user_namespaces is 0", "sudo sysctl -w user.max_user_namespaces=65536"
	case errors.Is(err, unix.ENOSPC) && limit >= math.MaxInt32:
		// The limit of the user namespace that we are in, which is none: it is one around it.
		return "no further user namespace may be made (user.max_user_namespaces)",
			"sudo sysctl -w user.max_user_namespaces=65536"
	case errors.Is(err, unix.ENOSPC):
		return fmt.Sprintf("all %d user namespaces are in use (user.max_user_namespaces)", limit),
			fmt.Sprintf("sudo sysctl -w user.max_user_namespaces=%d", max(65536, 2*limit))
	case hasClone && clone == 0 && h.UID != 0:
		return "kernel.unprivileged_userns_clone is 0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"
	case restrict != 0 && h.UID != 0:
		return "AppArmor gives user namespaces no capabilities (kernel.apparmor_restrict_unprivileged_userns is 1)", h.apparmorFix()
	case errors.Is(err, probe.ErrCapsDenied):
		return "user namespaces give no capabilities: a security module denies them", "sudo dmesg | grep -iE 'apparmor|selinux|denied' | tail"
	case errors.Is(err, unix.EAGAIN):
		return "no process can be made to try: you have as many as you may", "ulimit -u # how many; or pids.max of your cgroup is reached"
	case errors.Is(err, unix.EUSERS):
		return "user namespaces are nested 32 deep already", "run Burrow further outside"
	case errors.Is(err, unix.EINVAL), probe.IsMissing(err):
		return "this kernel has no user namespaces (CONFIG_USER_NS)", "use your distribution's own kernel"
	case errors.Is(err, unix.EPERM) && h.status("Seccomp") == "2":
		return "a seccomp filter around this process forbids user namespaces",
			"start the surrounding container with --security-opt seccomp=unconfined"
	case errors.Is(err, unix.EPERM):
		return "the kernel refuses user namespaces: in a chroot, or your IDs are not mapped here",
			"run Burrow outside the chroot or sandbox that surrounds it"
	}
	return err.Error(), "sudo dmesg | tail"
}

// apparmorFix prefers the profile that comes with Burrow: it lets `burrow`, and
// nothing else, make user namespaces.
func (h *host) apparmorFix() string {
	const profile = "/etc/apparmor.d/burrow"
	if h.exists(profile) {
		return "sudo apparmor_parser -r " + profile
	}
	return "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
}

func checkNamespaces(context.Context, *host) []Finding {
	const name = "namespaces"
	if !probe.UserNamespace.OK() {
		return nil // says the same with less precision
	}
	if err := probe.Namespaces.Err(); err != nil {
		return bad(name, Fail, err.Error(), "no container can run", "sudo sysctl user | grep namespaces")
	}
	if err := probe.ProcMount.Err(); err != nil {
		return bad(name, Fail, "proc cannot be mounted in a user namespace: parts of this /proc are covered",
			"a container would have no /proc",
			"start the surrounding container with --security-opt unmask=ALL (Docker: systempaths=unconfined)")
	}
	return good(name, "mount, pid, ipc, uts, net; proc can be mounted")
}

// checkLimits looks at counters that end the tenth or hundredth container.
func checkLimits(_ context.Context, h *host) []Finding {
	const name = "limits"
	for _, kind := range []string{"mnt", "pid", "net", "ipc", "uts", "cgroup"} {
		sysctl := "user.max_" + kind + "_namespaces"
		if n, ok := h.number("/proc/sys/user/max_" + kind + "_namespaces"); ok && n == 0 {
			return bad(name, Fail, sysctl+" is 0", "no container can run", "sudo sysctl -w "+sysctl+"=65536")
		}
	}
	keys, ok := h.number("/proc/sys/kernel/keys/maxkeys")
	if ok && keys < 100 && h.UID != 0 {
		return bad(name, Warn, fmt.Sprintf("kernel.keys.maxkeys is %d", keys),
			"each container has a session keyring of its own; this many can run at once", "sudo sysctl -w kernel.keys.maxkeys=2000")
	}
	return good(name, fmt.Sprintf("namespaces of each kind; %d keys", keys))
}
