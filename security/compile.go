package security

import (
	"fmt"
	"slices"
	"strings"
)

// Compile turns flags into a policy for this host. It refuses what it cannot
// understand or honour, and never falls back to something weaker.
func Compile(o Options, h Host) (Policy, error) {
	s, err := parseOpts(o.SecurityOpt)
	if err != nil {
		return Policy{}, err
	}
	caps, err := mergeCaps(o)
	if err != nil {
		return Policy{}, err
	}
	// Privileged is for programs that set things up as root would, sudo included.
	nnp := s.noNewPrivileges && !o.Privileged
	p := Policy{
		Capabilities:    capabilities(caps, o),
		NoNewPrivileges: nnp,
		ProcOptions:     s.procOpts,
		WritableCgroups: s.writableCgroups || o.Privileged,
		host:            h,
		readOnly:        o.ReadOnly,
		privilege:       privilege{caps: caps, compat32: s.compat32, nesting: s.nesting},
	}
	p.MaskedPaths, p.ReadonlyPaths = masks(s, o.Privileged, h)
	p.landlockReason = landlockOff(s, o.Privileged, nnp, caps, h.Landlock)
	if p.landlockReason == "" {
		p.Landlock = newRuleset(h.Landlock, o.SharePID)
	}
	if !s.nesting && !o.Privileged {
		p.MaxUserNamespaces = new(int)
	}
	if err := p.compileHost(s, o, h); err != nil {
		return Policy{}, err
	}
	p.Relaxations = deviations(s, o, h, p)
	return p, nil
}

// compileHost does the layers that look at files or at the host's limits.
func (p *Policy) compileHost(s opts, o Options, h Host) (err error) {
	if p.Seccomp, err = newFilter(s, o.Privileged, p.privilege.caps, h); err != nil {
		return err
	}
	if p.SELinux, err = selinuxLabels(s.label, o, p.NoNewPrivileges, h.SELinux); err != nil {
		return err
	}
	if p.AppArmor, err = appArmorProfile(s, o.Privileged, h.AppArmor); err != nil {
		return err
	}
	if p.Rlimits, err = rlimits(o.Ulimits, h); err != nil {
		return err
	}
	p.Sysctls, err = sysctls(o)
	return err
}

// deviations lists every relaxation, layer by layer.
func deviations(s opts, o Options, h Host, p Policy) []Deviation {
	caps := p.privilege.caps
	return slices.Concat(
		generalDeviations(s, o),
		capDeviations(caps, o),
		seccompDeviations(p.Seccomp, s, o.Privileged),
		landlockDeviations(s, o.Privileged, p.NoNewPrivileges, caps),
		selinuxDeviations(s.label, o.Privileged, h.SELinux),
		appArmorDeviations(s, o.Privileged, h.AppArmor),
		maskDeviations(s, o.Privileged),
		namespaceDeviations(o),
		deviceDeviations(o),
	)
}

// generalDeviations are those that reach into several layers.
func generalDeviations(s opts, o Options) []Deviation {
	var out []Deviation
	if o.Privileged {
		out = append(out, Deviation{
			ID: "privileged", Layer: "all", Flag: "--privileged",
			Meaning: "every capability over the container's own namespaces; no seccomp filter unless named, no Landlock, SELinux, " +
				"AppArmor, masked paths or no_new_privs; still the invoking user's rights outside, no more",
		})
	}
	if !s.noNewPrivileges && !o.Privileged {
		out = append(out, Deviation{
			ID: "new-privileges", Layer: "no_new_privs", Flag: "--security-opt no-new-privileges=false",
			Meaning: "setuid programs and file capabilities of the image take effect within the container's IDs",
		})
	}
	if s.nesting {
		out = append(out, Deviation{
			ID: "nesting", Layer: "seccomp", Flag: "--security-opt nesting",
			Meaning: "the container may make user namespaces and mount in them; /proc and /sys are not masked",
		})
	}
	return out
}

func namespaceDeviations(o Options) []Deviation {
	var out []Deviation
	for _, n := range []struct {
		on            bool
		name, meaning string
	}{
		{o.HostNetwork, "network", "the host's network is the container's: its loopback services and abstract sockets, which Landlock alone keeps away"},
		{o.HostPID, "pid", "every process of the host is visible; those of the invoking user can be signalled where nothing else prevents it"},
		{o.HostIPC, "ipc", "System V IPC, POSIX queues and shared memory of the host are in reach"},
		{o.HostUTS, "uts", "the host's name is the container's"},
		{o.HostCgroup, "cgroup", "the host's cgroup tree is visible"},
		{o.HostUser, "user", "the container's IDs are the anchor's: no slice of its own keeps containers apart"},
	} {
		if n.on {
			out = append(out, Deviation{
				ID: "host-" + n.name, Layer: "namespaces", Flag: hostFlag(n.name), Meaning: n.meaning,
			})
		}
	}
	return out
}

func hostFlag(namespace string) string {
	switch namespace {
	case "user":
		return "--userns=host"
	case "cgroup":
		return "--cgroupns=host"
	}
	return "--" + namespace + "=host"
}

func deviceDeviations(o Options) []Deviation {
	out := make([]Deviation, 0, len(o.Devices))
	for _, d := range o.Devices {
		out = append(out, Deviation{
			ID: "device", Layer: "devices", Flag: "--device=" + d,
			Meaning: "the host's device is in the container, with the access that the invoking user has",
		})
	}
	return out
}

// Forbid returns an error naming the first relaxation whose ID is in ids, the
// list that an administrator's or user's configuration rules out.
func (p Policy) Forbid(ids []string) error {
	for _, d := range p.Relaxations {
		if slices.Contains(ids, d.ID) || slices.Contains(ids, "*") {
			return fmt.Errorf("%s (%s): %w", d.Flag, strings.ToLower(d.Layer), ErrForbidden)
		}
	}
	return nil
}
