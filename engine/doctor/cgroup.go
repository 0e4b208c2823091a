package doctor

import (
	"context"
	"fmt"
	"net"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const withoutLimits = "--memory, --cpus, --pids-limit and the like are refused; containers run without limits"

// wanted are the controllers behind the limit flags.
func wanted() []string { return []string{"cpu", "cpuset", "io", "memory", "pids"} }

func checkCgroup(_ context.Context, h *host) []Finding {
	const name = "cgroups"
	switch layout := h.cgroupLayout(); layout {
	case "v2":
		return h.delegation(name)
	case "none":
		return bad(name, Warn, "/sys/fs/cgroup is not mounted", withoutLimits, "sudo mount -t cgroup2 none /sys/fs/cgroup")
	default:
		fix := "sudo mount -t cgroup2 none /sys/fs/cgroup"
		if h.systemd() {
			fix = h.bootArg("systemd.unified_cgroup_hierarchy=1")
		}
		return bad(name, Warn, "the host uses cgroup "+layout+", which cannot be delegated to a user", withoutLimits, fix)
	}
}

// cgroupLayout is "v2", "hybrid" (v1 with an empty v2 beside it), "v1" or "none".
func (h *host) cgroupLayout() string {
	var v1, v2 bool
	for _, m := range mounts(h.read("/proc/self/mountinfo")) {
		switch {
		case m.point == "/sys/fs/cgroup" && m.fstype == "cgroup2":
			return "v2"
		case m.fstype == "cgroup2":
			v2 = true
		case m.fstype == "cgroup":
			v1 = true
		}
	}
	switch {
	case v1 && v2:
		return "hybrid"
	case v1:
		return "v1"
	}
	return "none"
}

// delegation finds the subtree that the user may write and what it controls.
func (h *host) delegation(name string) []Finding {
	dir, fix := h.delegated()
	if dir == "" {
		return bad(name, Warn, "v2, but no part of it is delegated to "+h.User, withoutLimits, fix)
	}
	have := strings.Fields(h.read(path.Join(dir, "cgroup.controllers")))
	var missing []string
	for _, c := range wanted() {
		if !slices.Contains(have, c) {
			missing = append(missing, c)
		}
	}
	if len(missing) > 0 {
		return bad(name, Warn, fmt.Sprintf("v2, delegated without %s", strings.Join(missing, ", ")),
			"the limits of these controllers are refused", h.delegateFix())
	}
	return good(name, "v2, delegated with "+strings.Join(have, " "))
}

// delegated returns the directory of the user's cgroup subtree: that of the
// user's service manager, or the one this process is in where the user owns it.
func (h *host) delegated() (dir, fix string) {
	const root = "/sys/fs/cgroup"
	if h.systemd() && h.UID != 0 {
		dir = fmt.Sprintf("%s/user.slice/user-%d.slice/user@%d.service", root, h.UID, h.UID)
		if h.writable(dir) {
			return dir, ""
		}
		return "", "sudo loginctl enable-linger " + h.User
	}
	for line := range strings.Lines(h.read("/proc/self/cgroup")) {
		if own, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			if dir = path.Join(root, own); h.writable(dir) {
				return dir, ""
			}
		}
	}
	// Not chown -R: the limits of the part that is given away stay root's. The shell
	// goes below, because a cgroup with processes cannot pass controllers on.
	mine := fmt.Sprintf("%s/burrow-%d", root, h.UID)
	return "", fmt.Sprintf("sudo mkdir -p %[1]s/shell && sudo chown %[2]d %[1]s %[1]s/cgroup.procs %[1]s/cgroup.threads %[1]s/cgroup.subtree_control && "+
		"sudo chown -R %[2]d %[1]s/shell && echo $$ | sudo tee %[1]s/shell/cgroup.procs", mine, h.UID)
}

// writable says whether the user may make cgroups in dir and move into them.
func (h *host) writable(dir string) bool {
	for _, p := range []string{dir, path.Join(dir, "cgroup.procs"), path.Join(dir, "cgroup.subtree_control")} {
		if unix.Access(h.path(p), unix.W_OK) != nil {
			return false
		}
	}
	return true
}

// delegateFix asks systemd for all controllers (systemd.resource-control(5)).
func (h *host) delegateFix() string {
	if !h.systemd() {
		return "echo '+cpu +cpuset +io +memory +pids' | sudo tee /sys/fs/cgroup/cgroup.subtree_control"
	}
	return `sudo mkdir -p /etc/systemd/system/user@.service.d && ` +
		`printf '[Service]\nDelegate=cpu cpuset io memory pids\n' | sudo tee /etc/systemd/system/user@.service.d/delegate.conf && ` +
		`sudo systemctl daemon-reload`
}

// checkSystemd connects to the user's message bus, by which Burrow asks for a
// scope. A host without systemd needs none.
func checkSystemd(ctx context.Context, h *host) []Finding {
	const name = "systemd session"
	if !h.systemd() {
		return good(name, "this host has no systemd; cgroups are used directly")
	}
	sockets := h.managerSockets()
	if len(sockets) == 0 {
		return bad(name, Warn, "no session bus: DBUS_SESSION_BUS_ADDRESS and XDG_RUNTIME_DIR are unset",
			withoutLimits, "log in by ssh or machinectl shell "+h.User+"@, not by su or sudo")
	}
	var failed error
	for _, socket := range sockets {
		d := net.Dialer{Timeout: 500 * time.Millisecond}
		conn, err := d.DialContext(ctx, "unix", socket)
		if err == nil {
			conn.Close()
			return good(name, "your service manager answers at "+socket)
		}
		failed = err
	}
	return bad(name, Warn, failed.Error(), withoutLimits, h.install("dbus-user-session", "dbus-broker")+", then log in again")
}

// managerSockets are where Burrow looks for the user's service manager: its own
// socket, which is where systemd puts it whatever the environment says, and the bus.
func (h *host) managerSockets() []string {
	dir := h.RuntimeDir
	if dir == "" {
		dir = fmt.Sprintf("/run/user/%d", h.UID)
	}
	var out []string
	if private := path.Join(dir, "systemd", "private"); h.exists(private) {
		out = append(out, h.path(private))
	}
	if bus := h.bus(); bus != "" {
		out = append(out, bus)
	}
	return out
}

// bus is the socket of the session bus: the first unix:path= of the address
// (D-Bus specification, "Server Addresses"), or where systemd puts it.
func (h *host) bus() string {
	for addr := range strings.SplitSeq(h.BusAddress, ";") {
		rest, ok := strings.CutPrefix(addr, "unix:")
		if !ok {
			continue
		}
		for kv := range strings.SplitSeq(rest, ",") {
			if p, ok := strings.CutPrefix(kv, "path="); ok {
				return p
			}
		}
	}
	if h.RuntimeDir != "" {
		return path.Join(h.RuntimeDir, "bus")
	}
	return ""
}

func checkLinger(_ context.Context, h *host) []Finding {
	const name = "lingering"
	switch {
	case !h.systemd():
		return good(name, "this host has no systemd; nothing ends at logout")
	case h.UID == 0:
		return good(name, "not needed: you are root")
	case h.exists("/var/lib/systemd/linger/" + h.User):
		return good(name, "enabled for "+h.User)
	}
	return bad(name, Warn, "not enabled for "+h.User, "detached containers end when you log out and do not start at boot",
		"loginctl enable-linger")
}
