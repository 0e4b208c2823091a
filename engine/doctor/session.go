package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
)

// checkRuntimeDir is as strict as the XDG specification: a directory of
// another user would hand him our sockets, so Burrow takes its own instead.
func checkRuntimeDir(_ context.Context, h *host) []Finding {
	const name = "XDG_RUNTIME_DIR"
	if h.UID == 0 {
		return good(name, "is not used for root; "+h.Dirs.Run+" is")
	}
	create := fmt.Sprintf("export XDG_RUNTIME_DIR=/run/user/%[1]d; sudo install -d -m 0700 -o %[1]d $XDG_RUNTIME_DIR", h.UID)
	if h.systemd() {
		create = fmt.Sprintf("export XDG_RUNTIME_DIR=/run/user/%d; sudo loginctl enable-linger %s", h.UID, h.User)
	}
	if h.RuntimeDir == "" {
		return bad(name, Warn, "is not set, "+h.Dirs.Run+" is used",
			"sessions of yours that have one of another name than systemd's cannot stop what runs here", create)
	}
	cost := "Burrow uses " + h.Dirs.Run + ": sessions that have one of another name than systemd's cannot stop what runs here"
	st, err := os.Stat(h.RuntimeDir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return bad(name, Warn, h.RuntimeDir+" does not exist", cost, create)
	case err != nil:
		return bad(name, Warn, err.Error(), cost, create)
	}
	if uid := owner(st); uid != h.UID {
		return bad(name, Warn, fmt.Sprintf("%s belongs to UID %d, not to you (UID %d)", h.RuntimeDir, uid, h.UID), cost, create)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return bad(name, Warn, fmt.Sprintf("%s has mode %04o", h.RuntimeDir, st.Mode().Perm()),
			"other users see the names of what runs", "chmod 0700 "+h.RuntimeDir)
	}
	return good(name, h.RuntimeDir)
}

func owner(st os.FileInfo) int {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return int(sys.Uid)
	}
	return -1
}

func checkProc(_ context.Context, h *host) []Finding {
	const name = "/proc"
	m, ok := h.mountAt("/proc")
	if !ok {
		return bad(name, Fail, "is not mounted", "no container can run", "sudo mount -t proc proc /proc")
	}
	for _, o := range m.super {
		if v, hides := strings.CutPrefix(o, "hidepid="); hides && v != "0" && v != "off" {
			return bad(name, Warn, "mounted with hidepid="+v,
				"burrow whois does not see processes of other users", "sudo mount -o remount,hidepid=0 /proc")
		}
	}
	if s, ok := h.mountAt("/proc/sys"); ok && slices.Contains(s.options, "ro") {
		return bad(name, Warn, "/proc/sys is read-only: this is a container",
			"ports below 1024 cannot be bound inside, --sysctl does not work",
			"start the surrounding container with --security-opt unmask=ALL (Docker: systempaths=unconfined)")
	}
	return good(name, "shows all processes, /proc/sys can be written where allowed")
}

// checkNested says where this runs. It is information: what does not work in
// there has a finding of its own.
func checkNested(_ context.Context, h *host) []Finding {
	const name = "surroundings"
	var around []string
	switch {
	case h.exists("/run/.containerenv"):
		around = append(around, "in a Podman container")
	case h.exists("/.dockerenv"):
		around = append(around, "in a Docker container")
	case h.read("/run/systemd/container") != "":
		around = append(around, "in a container of "+h.read("/run/systemd/container"))
	case h.exists("/var/run/secrets/kubernetes.io"):
		around = append(around, "in a Kubernetes pod")
	}
	if strings.Contains(strings.ToLower(h.read("/proc/sys/kernel/osrelease")), "microsoft") {
		around = append(around, "under WSL")
	}
	if f := strings.Fields(h.read("/proc/self/uid_map")); len(f) > 0 && !slices.Equal(f, []string{"0", "0", "4294967295"}) {
		around = append(around, "in a user namespace")
	}
	if len(around) == 0 {
		return good(name, "directly on the host")
	}
	return good(name, strings.Join(around, ", "))
}

// checkLoginUID looks after the first thing that every command of Burrow did:
// to set the login UID where it was not set.
func checkLoginUID(_ context.Context, h *host) []Finding {
	const name, unset = "login UID", "4294967295"
	switch id := h.read("/proc/self/loginuid"); id {
	case "":
		return good(name, "this kernel keeps none (CONFIG_AUDIT)")
	case unset:
		return bad(name, Warn, "is not set and may not be set from here",
			"the audit log cannot tell whose processes these are", "start Burrow from a login session")
	default:
		return good(name, id+", kept by every process of a container")
	}
}
