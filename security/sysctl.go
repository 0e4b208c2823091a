package security

import (
	"fmt"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// SysctlNamespace is the kind of namespace that a setting belongs to.
type SysctlNamespace string

// The namespaces whose settings a container may have for itself.
const (
	SysctlNet SysctlNamespace = "net"
	SysctlIPC SysctlNamespace = "ipc"
)

// ipcSysctls are the settings of kernel.* that belong to an IPC namespace.
var ipcSysctls = []string{
	"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall",
	"kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
	"kernel.msg_next_id", "kernel.sem_next_id", "kernel.shm_next_id", "kernel.auto_msgmni",
}

// NamespaceOf says which namespace a dotted key belongs to; false: none that a
// container has of its own.
func NamespaceOf(key string) (SysctlNamespace, bool) {
	switch {
	case strings.HasPrefix(key, "net."):
		return SysctlNet, true
	case strings.HasPrefix(key, "fs.mqueue."), slices.Contains(ipcSysctls, key):
		return SysctlIPC, true
	}
	return "", false
}

// sysctls parses key=value words. Only settings of a namespace that is the
// container's own pass, and only characters that such settings use: a newline
// or "+" in a value has smuggled further settings in elsewhere (CVE-2022-0811,
// CVE-2024-3154).
func sysctls(o Options) (map[string]string, error) {
	out := make(map[string]string, len(o.Sysctls))
	for _, word := range o.Sysctls {
		key, value, found := strings.Cut(word, "=")
		if !found || value == "" {
			return nil, sysctlError(word, "want key=value")
		}
		key, ok := normalKey(key)
		if !ok {
			return nil, sysctlError(word, "not a setting's name")
		}
		if strings.ContainsFunc(value, notInValue) {
			return nil, sysctlError(word, "character not allowed in a value")
		}
		if err := permitted(word, key, o); err != nil {
			return nil, err
		}
		out[key] = value
	}
	return out, nil
}

// normalKey accepts "a.b.c" and "a/b/c", the latter because interface names may
// hold dots, and returns the form with slashes swapped as sysctl(8) prints it.
// No part may be empty or climb.
func normalKey(key string) (string, bool) {
	if i := strings.IndexAny(key, "./"); i > 0 && key[i] == '/' {
		key = strings.Map(swapDots, key)
	}
	for part := range strings.SplitSeq(key, ".") {
		if part == "" || strings.Trim(part, "/") == "" || strings.ContainsFunc(part, notInKey) {
			return "", false
		}
	}
	return key, true
}

func swapDots(r rune) rune {
	switch r {
	case '.':
		return '/'
	case '/':
		return '.'
	}
	return r
}

func isAlnum(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

func notInKey(r rune) bool { return !isAlnum(r) && !strings.ContainsRune("_-/", r) }

func notInValue(r rune) bool { return !isAlnum(r) && !strings.ContainsRune(" \t_-.,:/", r) }

func permitted(word, key string, o Options) error {
	ns, ok := NamespaceOf(key)
	switch {
	case key == "kernel.hostname" || key == "kernel.domainname":
		return hint.New(sysctlError(word, "not set by --sysctl"), "use --"+strings.TrimPrefix(key, "kernel."))
	case strings.HasPrefix(key, "user."):
		return hint.New(sysctlError(word, "Burrow's own second line of defence"), "--security-opt nesting allows user namespaces in the container")
	case !ok:
		return sysctlError(word, "not a namespaced setting: it would change the host")
	case ns == SysctlNet && o.HostNetwork:
		return sysctlError(word, "the network is the host's (--network=host)")
	case ns == SysctlIPC && o.HostIPC:
		return sysctlError(word, "the IPC namespace is the host's (--ipc=host)")
	}
	return nil
}

func sysctlError(word, why string) error {
	return fmt.Errorf("--sysctl %q: %s: %w", word, why, ErrOption)
}

// SysctlPath is the file of a dotted key, below /proc/sys.
func SysctlPath(key string) string { return strings.Map(swapDots, key) }
