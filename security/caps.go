package security

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// capSet is a set of capabilities, bit n being capability n.
type capSet uint64

// capNames are all capabilities by number (linux/capability.h, 6.18).
var capNames = [...]string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
	"CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
	"CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
	"CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
	"CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
}

const (
	capAll capSet = 1<<len(capNames) - 1
	// capDefault are Podman's eleven: chown dac_override fowner fsetid kill
	// setgid setuid setpcap net_bind_service sys_chroot setfcap.
	capDefault capSet = 0x800405fb

	capNetAdmin  = capSet(1) << 12
	capNetRaw    = capSet(1) << 13
	capSysPtrace = capSet(1) << 19
	capSysAdmin  = capSet(1) << 21
)

func (s capSet) has(c capSet) bool { return s&c == c }

// names lists the set in the order of the capability numbers.
func (s capSet) names() []string {
	out := make([]string, 0, bits.OnesCount64(uint64(s)))
	for i, name := range capNames {
		if s.has(1 << i) {
			out = append(out, name)
		}
	}
	return out
}

// CapabilityMask is a set as /proc/PID/status has it: 16 hexadecimal digits.
// Names that are not known count for nothing.
func CapabilityMask(names []string) string {
	var set capSet
	for _, name := range names {
		if n, ok := capNumber("CAP_" + strings.TrimPrefix(name, "CAP_")); ok {
			set |= 1 << n
		}
	}
	return fmt.Sprintf("%016x", uint64(set))
}

// CapabilityNames spells such a mask out in lower case; what is none comes back
// as it is.
func CapabilityNames(mask string) string {
	n, err := strconv.ParseUint(mask, 16, 64)
	switch set := capSet(n); {
	case err != nil || len(mask) != 16:
		return mask
	case set == 0:
		return "none"
	case set.has(capAll):
		return "all"
	default:
		return strings.ToLower(strings.ReplaceAll(strings.Join(set.names(), " "), "CAP_", ""))
	}
}

// capNumber returns the number of an exact name.
func capNumber(name string) (int, bool) {
	for i, n := range capNames {
		if n == name {
			return i, true
		}
	}
	return 0, false
}

// parseCaps turns the words of --cap-add or --cap-drop into a set. Each word may
// be a comma-separated list, as Docker's API sends them.
func parseCaps(flag string, words []string) (set capSet, all bool, err error) {
	for _, word := range words {
		for name := range strings.SplitSeq(word, ",") {
			up := strings.ToUpper(strings.TrimSpace(name))
			if up == "ALL" || up == "CAP_ALL" {
				all = true
				continue
			}
			n, ok := capNumber("CAP_" + strings.TrimPrefix(up, "CAP_"))
			if !ok {
				return 0, false, unknownCap(flag, name)
			}
			set |= 1 << n
		}
	}
	return set, all, nil
}

func unknownCap(flag, name string) error {
	err := fmt.Errorf("%s %q: unknown capability: %w", flag, name, ErrOption)
	bare := make([]string, len(capNames))
	for i, n := range capNames {
		bare[i] = strings.TrimPrefix(n, "CAP_")
	}
	near := closest(strings.TrimPrefix(strings.ToUpper(name), "CAP_"), bare)
	if near == "" {
		return hint.New(err, "capabilities(7) lists them all")
	}
	return hint.New(err, "did you mean "+flag+"="+near+"?")
}

// mergeCaps computes the bounding set as Podman does: the default set, plus
// what is added, minus what is dropped; dropping ALL keeps only what is added.
// Privileged starts from everything, and still honours an explicit drop.
func mergeCaps(o Options) (capSet, error) {
	add, addAll, err := parseCaps("--cap-add", o.CapAdd)
	if err != nil {
		return 0, err
	}
	drop, dropAll, err := parseCaps("--cap-drop", o.CapDrop)
	if err != nil {
		return 0, err
	}
	switch {
	case addAll && dropAll:
		return 0, fmt.Errorf("adding and dropping ALL capabilities: %w", ErrOption)
	case add&drop != 0:
		return 0, fmt.Errorf("%s is both added and dropped: %w", (add & drop).names()[0], ErrOption)
	case dropAll:
		return add, nil
	case addAll, o.Privileged:
		return capAll &^ drop, nil
	}
	return (capDefault | add) &^ drop, nil
}

// DefaultCapabilities are those that a container has if nothing is said.
func DefaultCapabilities() []string { return capDefault.names() }

// capabilities spells the sets out. A process that is not the container's root
// has none: giving it some would need the ambient set, which every program it
// starts would inherit (CVE-2022-24769 and its siblings).
func capabilities(set capSet, o Options) Capabilities {
	c := Capabilities{Bounding: set.names()}
	if !o.NonRoot {
		c.Effective, c.Permitted = c.Bounding, c.Bounding
	}
	return c
}

// capDeviations reports every capability beyond the default set.
func capDeviations(set capSet, o Options) []Deviation {
	extra := set &^ capDefault
	if extra == 0 || o.Privileged {
		return nil
	}
	if extra == capAll&^capDefault {
		return []Deviation{{
			ID: "cap-all", Layer: "capabilities", Flag: "--cap-add=ALL",
			Meaning: "the container's root holds every capability over the container's own namespaces",
		}}
	}
	out := make([]Deviation, 0, bits.OnesCount64(uint64(extra)))
	for _, name := range extra.names() {
		short := strings.ToLower(strings.TrimPrefix(name, "CAP_"))
		out = append(out, Deviation{
			ID: "cap-" + strings.ReplaceAll(short, "_", "-"), Layer: "capabilities",
			Flag: "--cap-add=" + strings.ToUpper(short), Meaning: capMeaning(name, o.NonRoot),
		})
	}
	return out
}

func capMeaning(name string, nonRoot bool) string {
	meaning := "grants " + name + " over the container's own namespaces"
	if m, ok := capMeanings[name]; ok {
		meaning = m
	}
	if nonRoot {
		meaning += "; only in the bounding set, as the process does not run as root"
	}
	return meaning
}

// capMeanings explains those whose reach is not obvious from the name.
var capMeanings = map[string]string{
	"CAP_SYS_ADMIN":       "may mount and use namespaces inside the container; Landlock is off; much more kernel code is in reach",
	"CAP_NET_ADMIN":       "may configure the container's network; netfilter, generic and socket-diagnosis netlink are in reach",
	"CAP_NET_RAW":         "may open raw and packet sockets and forge packets on the container's network",
	"CAP_SYS_PTRACE":      "may read and change the memory of every process in the container",
	"CAP_DAC_READ_SEARCH": "may read every file in the container and open files by handle",
	"CAP_BPF":             "the bpf system call is in reach",
	"CAP_PERFMON":         "the perf_event_open system call is in reach",
	"CAP_SYS_MODULE":      "the module system calls are in reach; the kernel still refuses them outside the initial user namespace",
}
