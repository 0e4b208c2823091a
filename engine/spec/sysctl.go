package spec

import (
	"slices"
	"strings"
)

// ParseSysctl reads one --sysctl value, KEY=VALUE. Only keys that belong to a
// namespace of the container are allowed: any other would change the host.
func ParseSysctl(value string) (key, val string, err error) {
	key, val, ok := strings.Cut(value, "=")
	if !ok || key == "" {
		return "", "", bad(value, "needs KEY=VALUE")
	}
	if strings.Trim(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != "" ||
		strings.Contains(key, "..") {
		return "", "", bad(value, "key may contain letters, digits, '_', '.' and '-' only")
	}
	// More characters than any value needs, fewer than any parser splits at.
	if strings.ContainsAny(val, "+=;\x00\n\r") || val == "" {
		return "", "", bad(value, "value is empty or contains one of + = ; or a control character")
	}
	if sysctlNamespace(key) == "" {
		return "", "", bad(value, "is not a setting of a container's own namespaces")
	}
	return key, val, nil
}

// sysctlNamespace names the namespace that key belongs to: "net", "ipc", "uts",
// or "" for none.
func sysctlNamespace(key string) string {
	switch {
	case strings.HasPrefix(key, "net."):
		return "net"
	case strings.HasPrefix(key, "fs.mqueue."):
		return "ipc"
	case key == "kernel.domainname":
		return "uts"
	case slices.Contains([]string{
		"kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall",
		"kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
	}, key):
		return "ipc"
	}
	return ""
}
