package spec

import (
	"path/filepath"
	"slices"
	"strings"
)

// NamespaceMode says whose namespace a container gets.
type NamespaceMode string

// The modes of PID, IPC, UTS and cgroup namespaces.
const (
	NamespacePrivate   NamespaceMode = ""          // its own
	NamespaceHost      NamespaceMode = "host"      // the caller's
	NamespaceContainer NamespaceMode = "container" // of the container Ref
	NamespacePath      NamespaceMode = "ns"        // the file Ref
	NamespaceShareable NamespaceMode = "shareable" // IPC: its own, open to later containers
	NamespaceNone      NamespaceMode = "none"      // IPC: its own, without /dev/shm
)

// Namespace is a mode with the container or path that it refers to.
type Namespace struct {
	Mode NamespaceMode
	Ref  string
}

// ParseNamespace reads the value of --pid, --uts or --cgroupns.
func ParseNamespace(value string) (Namespace, error) { return parseNamespace(value) }

// ParseIPC reads the value of --ipc, which knows two modes more.
func ParseIPC(value string) (Namespace, error) {
	return parseNamespace(value, NamespaceShareable, NamespaceNone)
}

func parseNamespace(value string, more ...NamespaceMode) (Namespace, error) {
	kind, ref, hasRef := strings.Cut(value, ":")
	switch mode := NamespaceMode(kind); {
	case mode == NamespaceContainer:
		return Namespace{mode, ref}, checkContainerRef(value, ref)
	case mode == NamespacePath:
		return Namespace{mode, ref}, checkNamespacePath(value, ref)
	case hasRef:
		return Namespace{}, bad(value, "unknown mode")
	case kind == "private" || kind == "":
		return Namespace{}, nil
	case mode == NamespaceHost || slices.Contains(more, mode):
		return Namespace{Mode: mode}, nil
	}
	return Namespace{}, bad(value, "unknown mode")
}

func checkContainerRef(value, ref string) error {
	if CheckName(ref) != nil {
		return bad(value, "needs container:NAME or container:ID")
	}
	return nil
}

func checkNamespacePath(value, path string) error {
	if !filepath.IsAbs(path) {
		return bad(value, "needs ns:PATH with an absolute path")
	}
	if err := checkText(path); err != nil {
		return badErr(value, err)
	}
	return nil
}
