package doctor

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/burrow-run/burrow/internal/probe"
)

func checkSeccomp(_ context.Context, h *host) []Finding {
	const name = "seccomp"
	if err := probe.SeccompFilter.Err(); err != nil {
		return bad(name, Fail, err.Error(), "Burrow does not start a container without its system call filter",
			"use your distribution's own kernel (CONFIG_SECCOMP_FILTER)")
	}
	if h.status("Seccomp") == "2" {
		return good(name, "filters work; this process is under one already")
	}
	return good(name, "filters work")
}

// scoped is the first Landlock version that keeps a process from abstract
// sockets and from signalling outside (Linux 6.12).
const scoped = 6

func checkLandlock(_ context.Context, h *host) []Finding {
	const name = "Landlock"
	abi := probe.LandlockABI()
	switch {
	case abi == 0:
		detail, fix := "this kernel has none", "use Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK"
		if lsm := h.read("/sys/kernel/security/lsm"); lsm != "" && !strings.Contains(lsm, "landlock") {
			detail, fix = "not among the active security modules ("+lsm+")", h.bootArg("lsm=landlock,"+lsm)
		}
		return bad(name, Warn, detail, "one layer less around the files that a container sees", fix)
	case abi < scoped:
		return good(name, fmt.Sprintf("ABI %d; abstract sockets and signals are scoped from ABI %d, Linux 6.12", abi, scoped))
	}
	return good(name, fmt.Sprintf("ABI %d", abi))
}

func checkSELinux(_ context.Context, h *host) []Finding {
	const (
		name = "SELinux"
		fs   = "/sys/fs/selinux"
	)
	enforce, on := h.number(fs + "/enforce")
	if !on {
		return good(name, "not enabled")
	}
	mode := "permissive"
	if enforce == 1 {
		mode = "enforcing"
	}
	// The kernel checks a context that is written here against its policy.
	label := "system_u:system_r:container_t:s0"
	if err := os.WriteFile(h.path(fs+"/context"), []byte(label), 0); err == nil {
		return good(name, mode+", the policy has container_t")
	}
	fix := "sudo semodule -i /usr/local/share/burrow/burrow_container.cil"
	if h.dnf {
		fix = "sudo dnf install container-selinux"
	}
	if enforce == 1 {
		return bad(name, Fail, "enforcing, but the policy has no container_t",
			"Burrow refuses to start a container that it cannot label; --security-opt label=disable gives that up", fix)
	}
	return bad(name, Warn, mode+", and the policy has no container_t", "containers are not labelled", fix)
}

func checkAppArmor(_ context.Context, h *host) []Finding {
	const name = "AppArmor"
	if h.read("/sys/module/apparmor/parameters/enabled") != "Y" {
		return good(name, "not enabled")
	}
	profile := h.read("/proc/self/attr/apparmor/current")
	if profile == "" {
		profile = h.read("/proc/self/attr/current")
	}
	if profile == "" {
		profile = "unknown"
	}
	return good(name, "enabled; this process runs under "+profile)
}
