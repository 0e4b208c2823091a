package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/engine/posture"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/security"
)

// wish is what should be found of a container's first process: what its record
// says was asked for, in the words of package posture. It is made from the record
// alone, so that a container that got something else cannot agree with it.
type wish struct {
	rec      Record
	observer posture.Observer
}

const anything = "*"

func (w wish) all(found posture.Facts) posture.Wish {
	f := posture.Facts{
		"Umask": fmt.Sprintf("%04o", w.rec.Spec.Process.Umask), "threads": "alike", "personality": "00000000", "root": "/",
		"loginuid": "user", "oom_score_adj": posture.Same,
		"cgroup": posture.Same, "label": posture.Same,
		"environment": w.environment(), "descriptors": w.descriptors(),
	}
	if n := w.rec.Spec.Process.OOMScoreAdj; n != nil {
		f["oom_score_adj"] = strconv.Itoa(*n) + ", [?]" + posture.Same
	}
	if w.rec.Cgroup != "" {
		f["cgroup"] = "0::/" + strings.Trim(w.rec.Cgroup, "/") + anything
	}
	if _, seen := found[keyringFact]; seen {
		f[keyringFact] = keyringName(w.rec)
	}
	w.identity(f)
	w.namespaces(f)
	w.confinement(f)
	w.limits(f)
	below := w.files(f, found)
	return posture.Wish{Facts: f, Note: []string{"exe", "cwd"}, Below: below, Unseen: w.unseen()}
}

// identity: whom it runs as, and its maps.
func (w wish) identity(f posture.Facts) {
	r := w.rec
	f["uid"], f["gid"] = nameOf(r.UIDMap, r.UID), nameOf(r.GIDMap, r.GID)
	f["uid map"], f["gid map"] = posture.MapText(r.UIDMap), posture.MapText(r.GIDMap)
	if r.Spec.Process.KeepGroups || r.Userns == idmap.Single.String() {
		f["groups"] = anything
		return
	}
	// libcontainer gives a process its primary group as a supplementary one too.
	items := []string{"[?]" + f["gid"]}
	for _, g := range r.Groups {
		if name := nameOf(r.GIDMap, g); name != f["gid"] {
			items = append(items, name)
		}
	}
	f["groups"] = strings.Join(items, ", ")
	if len(r.Groups) == 0 {
		f["groups"] += ", [?]" // none at all
	}
}

func nameOf(m idmap.Map, id uint32) string {
	if host, ok := m.Host(id); ok && host == 0 {
		return "user"
	}
	return fmt.Sprint("slice ", id)
}

// namespaces: whose each is, and whose user namespace owns it.
func (w wish) namespaces(f posture.Facts) {
	r := w.rec
	owner := "container"
	f["ns user"], f["owners"] = "container of anchor", "user user"
	if r.Userns == idmap.Host.String() {
		owner, f["ns user"], f["owners"] = "anchor", "anchor of host", "user"
	}
	own := "container of " + owner
	f["ns mnt"], f["ns time"] = own, "host of host"
	for kind, n := range map[string]spec.Namespace{
		"pid": r.Spec.Namespaces.PID, "ipc": r.Spec.Namespaces.IPC, "uts": r.Spec.Namespaces.UTS, "cgroup": r.Spec.Namespaces.Cgroup,
	} {
		f["ns "+kind] = own
		switch n.Mode {
		case spec.NamespaceHost:
			f["ns "+kind] = "host of host"
		case spec.NamespaceContainer, spec.NamespacePath:
			f["ns "+kind] = anything
		case spec.NamespacePrivate, spec.NamespaceShareable, spec.NamespaceNone:
		}
	}
	f["ns pid_for_children"] = f["ns pid"]
	f["ns net"] = "container of anchor" // so that container root cannot change it
	caps := r.Security.Capabilities.Bounding
	switch {
	case r.Network == "host":
		f["ns net"] = "host of host"
	case strings.HasPrefix(r.Network, "container:"), strings.HasPrefix(r.Network, "ns:"):
		f["ns net"] = anything
	case slices.Contains(caps, "CAP_NET_ADMIN"), slices.Contains(caps, "CAP_NET_RAW"):
		f["ns net"] = own
	}
}

// confinement: capabilities, filters, labels.
func (w wish) confinement(f posture.Facts) {
	s := w.rec.Security
	f["CapBnd"] = security.CapabilityMask(s.Capabilities.Bounding)
	f["CapPrm"], f["CapEff"] = security.CapabilityMask(s.Capabilities.Permitted), security.CapabilityMask(s.Capabilities.Effective)
	f["CapInh"], f["CapAmb"] = security.CapabilityMask(s.Capabilities.Inheritable), security.CapabilityMask(s.Capabilities.Ambient)
	f["NoNewPrivs"] = w.observer.Caller("NoNewPrivs")
	if s.NoNewPrivileges {
		f["NoNewPrivs"] = "1"
	}
	f["Seccomp"] = w.observer.Caller("Seccomp")
	filters, _ := strconv.Atoi(w.observer.Caller("Seccomp_filters"))
	if s.Seccomp.Mode == "filter" {
		f["Seccomp"] = "2"
		filters++
	}
	f["Seccomp_filters"] = strconv.Itoa(filters)
	switch {
	case s.SELinux.ProcessLabel != "":
		f["label"] = s.SELinux.ProcessLabel
	case s.AppArmor != "none" && s.AppArmor != "unconfined":
		f["label"] = s.AppArmor + " (enforce)"
	}
}

// unseen are layers that are in force or not, and that no other process can see.
func (w wish) unseen() []posture.Fact {
	l := w.rec.Security.Landlock
	text := fmt.Sprintf("%s, ABI %d", l.Mode, l.ABI)
	if len(l.Scopes) > 0 {
		text += ", scopes " + strings.Join(l.Scopes, " ")
	}
	if l.Reason != "" {
		text += ": " + l.Reason
	}
	out := []posture.Fact{{Name: "Landlock", Verdict: posture.Unseen, Found: text + " (as asked for; the kernel shows it to nobody)"}}
	if !rootIsUser(w.rec) {
		out = append(out, posture.Fact{Name: keyringFact, Verdict: posture.Unseen, Found: "of its own (as asked for; it belongs to a sub-ID, to which alone it is shown)"})
	}
	return out
}

// environment is the names of the variables that the payload starts with.
func (w wish) environment() string {
	var names []string
	for _, kv := range w.rec.Payload.Env {
		name, _, _ := strings.Cut(kv, "=")
		names = append(names, name)
	}
	for _, s := range w.rec.Spec.Secrets {
		if s.Env {
			names = append(names, s.Target)
		}
	}
	// HOME is the user's, whom only the image's passwd file tells; a service has its own.
	for _, name := range []string{"HOME", "container_uuid", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if !slices.Contains(names, name) {
			names = append(names, "[?]"+name)
		}
	}
	return strings.Join(names, ", ")
}

// descriptors are the three standard streams, and as many more as were handed in.
func (w wish) descriptors() string {
	out := "0 *, 1 *, 2 *" + strings.Repeat(", [?]*", len(w.rec.Spec.Stdio.PreserveFDs))
	if w.rec.Spec.SDNotify == spec.SDNotifyContainer {
		out += ", [?]socket:*" // socket activation
	}
	return out
}

// limits are those that were set; the others are the caller's.
func (w wish) limits(f posture.Facts) {
	for _, l := range w.rec.Security.Rlimits {
		f["limit "+limitName(l)] = limitText(l.Soft) + ":" + limitText(l.Hard)
	}
}

func limitText(n uint64) string {
	if n == security.Unlimited {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

// limitName is the kernel's word for a limit (proc_pid_limits(5)).
func limitName(l security.Rlimit) string {
	words := map[string]string{
		"cpu": "cpu time", "fsize": "file size", "data": "data size", "stack": "stack size", "core": "core file size",
		"rss": "resident set", "nproc": "processes", "nofile": "open files", "memlock": "locked memory", "as": "address space",
		"locks": "file locks", "sigpending": "pending signals", "msgqueue": "msgqueue size", "nice": "nice priority",
		"rtprio": "realtime priority", "rttime": "realtime timeout",
	}
	return words[strings.TrimPrefix(strings.ToLower(l.Type), "rlimit_")]
}
