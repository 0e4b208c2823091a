package security

import (
	"path"
	"slices"
	"strings"
)

// maskedPaths is the union of moby's and Podman's lists (August 2026): places
// in /proc and /sys that tell about the host or reach its hardware. Those that
// this machine does not have are skipped by whoever mounts. The
// thermal_throttle directories of the CPUs come from Host.
var maskedPaths = []string{
	"/proc/acpi",
	"/proc/asound",
	"/proc/interrupts",
	"/proc/kcore",
	"/proc/keys",
	"/proc/latency_stats",
	"/proc/sched_debug",
	"/proc/scsi",
	"/proc/timer_list",
	"/proc/timer_stats",
	"/sys/devices/virtual/powercap",
	"/sys/firmware",
	"/sys/fs/selinux",
}

// readonlyPaths is the union of both lists.
var readonlyPaths = []string{
	"/proc/asound",
	"/proc/bus",
	"/proc/fs",
	"/proc/irq",
	"/proc/sys",
	"/proc/sysrq-trigger",
}

// masks computes both lists. What mask= names is masked whatever else is said;
// a path that is masked needs no read-only mount.
func masks(o opts, privileged bool, h Host) (masked, readonly []string) {
	if !privileged && !o.nesting {
		masked = keep(slices.Concat(maskedPaths, h.CPUThrottle), o.unmask)
		readonly = keep(readonlyPaths, o.unmask)
	}
	for _, p := range o.mask {
		if !slices.Contains(masked, p) {
			masked = append(masked, p)
		}
	}
	readonly = slices.DeleteFunc(readonly, func(p string) bool { return slices.Contains(masked, p) })
	return masked, readonly
}

// keep returns the paths that no unmask pattern matches, as Podman does it: each
// pattern is a glob over the whole path, and ALL means every path.
func keep(paths, unmask []string) []string {
	var out []string
	for _, p := range paths {
		if !slices.ContainsFunc(unmask, func(u string) bool { return unmasks(u, p) }) {
			out = append(out, p)
		}
	}
	return out
}

func unmasks(pattern, p string) bool {
	if pattern == "ALL" {
		return true
	}
	ok, err := path.Match(pattern, p)
	return ok && err == nil // the pattern was checked when it was parsed
}

func maskDeviations(o opts, privileged bool) []Deviation {
	if privileged {
		return nil
	}
	var out []Deviation
	if len(o.unmask) > 0 {
		out = append(out, Deviation{
			ID: "unmask", Layer: "procfs", Flag: "--security-opt unmask=" + strings.Join(o.unmask, ":"),
			Meaning: "these places of /proc and /sys are as the kernel shows them, writable where it lets the container's root write",
		})
	}
	if o.writableCgroups {
		out = append(out, Deviation{
			ID: "writable-cgroups", Layer: "cgroup", Flag: "--security-opt writable-cgroups",
			Meaning: "the container may make cgroups below its own and move its processes into them",
		})
	}
	return out
}
