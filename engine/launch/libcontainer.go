package launch

import (
	"fmt"
	"os"

	"github.com/opencontainers/cgroups"
	devices "github.com/opencontainers/cgroups/devices/config"
	"github.com/opencontainers/runc/libcontainer/configs"
	"github.com/opencontainers/runc/libcontainer/specconv"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/security"
)

// lcConfig translates c into libcontainer's configuration.
func lcConfig(c Config) (*configs.Config, error) {
	root := unix.MS_PRIVATE | unix.MS_REC
	if c.SharedRoot {
		root = unix.MS_SLAVE | unix.MS_REC
	}
	out := &configs.Config{
		Rootfs:          c.Rootfs,
		Readonlyfs:      c.ReadOnly,
		RootPropagation: root,
		Umask:           &c.Umask,
		Hostname:        c.Hostname,
		Domainname:      c.Domainname,
		Namespaces:      lcNamespaces(c.Namespaces),
		Mounts:          lcMounts(c.Mounts),
		Devices:         lcDevices(c.Devices),
		Capabilities:    lcCapabilities(c.Policy),
		MaskPaths:       c.Policy.MaskedPaths,
		ReadonlyPaths:   c.Policy.ReadonlyPaths,
		NoNewPrivileges: c.Policy.NoNewPrivileges,
		MountLabel:      c.Policy.SELinux.MountLabel,
		AppArmorProfile: c.Policy.AppArmor,
		Sysctl:          c.Sysctls,
		OomScoreAdj:     c.OOMScore,
		Cgroups:         lcCgroup(c.ID),
		RootlessCgroups: true,
		// The one thing it still means, with the maps written directly: setgroups is left out.
		RootlessEUID: c.KeepGroups,
	}
	var err error
	if out.Rlimits, err = lcRlimits(c.Policy.Rlimits); err != nil {
		return nil, err
	}
	if !c.Namespaces.User.Host {
		out.UIDMappings, out.GIDMappings = lcMap(c.UIDs), lcMap(c.GIDs)
	}
	if c.DieWithParent {
		out.ParentDeathSignal = int(unix.SIGKILL)
	}
	if c.Namespaces.UTS.Host || c.Namespaces.UTS.Path != "" {
		out.Hostname, out.Domainname = "", "" // they are not ours to set
	}
	spec, err := c.seccompSpec()
	if err != nil {
		return nil, fmt.Errorf("compile seccomp profile: %w", err)
	}
	if spec != nil {
		if out.Seccomp, err = specconv.SetupSeccomp(spec); err != nil {
			return nil, fmt.Errorf("translate seccomp profile: %w", err)
		}
	}
	return out, nil
}

func lcNamespaces(n Namespaces) configs.Namespaces {
	var out configs.Namespaces
	for _, e := range []struct {
		kind configs.NamespaceType
		ns   Namespace
	}{
		{configs.NEWNS, Namespace{}},
		{configs.NEWUSER, n.User},
		{configs.NEWPID, n.PID},
		{configs.NEWIPC, n.IPC},
		{configs.NEWUTS, n.UTS},
		{configs.NEWCGROUP, n.Cgroup},
		{configs.NEWNET, n.Net},
		{configs.NEWTIME, n.Time},
	} {
		if !e.ns.Host {
			out.Add(e.kind, e.ns.Path)
		}
	}
	return out
}

func lcMounts(mounts []Mount) []*configs.Mount {
	out := make([]*configs.Mount, 0, len(mounts))
	for _, m := range mounts {
		lm := &configs.Mount{
			Source: m.Source, Destination: m.Dest, Device: m.Type, Data: m.Data,
			Flags: int(m.Flags), ClearedFlags: int(m.Cleared),
		}
		for _, p := range m.Propagation {
			lm.PropagationFlags = append(lm.PropagationFlags, int(p))
		}
		if m.Recursive != 0 {
			lm.RecAttr = &unix.MountAttr{Attr_set: uint64(m.Recursive)}
		}
		if m.CopyUp {
			lm.Extensions = configs.EXT_COPYUP
		}
		out = append(out, lm)
	}
	return out
}

func lcDevices(list []Device) []*devices.Device {
	out := make([]*devices.Device, 0, len(list))
	for _, d := range list {
		out = append(out, &devices.Device{
			Path:     d.Path,
			FileMode: os.FileMode(0o666),
			Rule: devices.Rule{
				Type: devices.Type(d.Type), Major: d.Major, Minor: d.Minor,
				Permissions: "rwm", Allow: true,
			},
		})
	}
	return out
}

func lcCapabilities(p security.Policy) *configs.Capabilities {
	// Inheritable and ambient stay empty (CVE-2022-29162 and its family).
	return &configs.Capabilities{
		Bounding:  p.Capabilities.Bounding,
		Effective: p.Capabilities.Effective,
		Permitted: p.Capabilities.Permitted,
	}
}

func lcRlimits(limits []security.Rlimit) ([]configs.Rlimit, error) {
	out := make([]configs.Rlimit, 0, len(limits))
	for _, l := range limits {
		number, ok := rlimitNumbers[l.Type]
		if !ok {
			return nil, fmt.Errorf("bug: resource limit %q", l.Type)
		}
		out = append(out, configs.Rlimit{Type: number, Soft: l.Soft, Hard: l.Hard})
	}
	return out, nil
}

// rlimitNumbers are the resources of getrlimit(2).
var rlimitNumbers = map[string]int{
	"RLIMIT_AS": unix.RLIMIT_AS, "RLIMIT_CORE": unix.RLIMIT_CORE, "RLIMIT_CPU": unix.RLIMIT_CPU,
	"RLIMIT_DATA": unix.RLIMIT_DATA, "RLIMIT_FSIZE": unix.RLIMIT_FSIZE, "RLIMIT_LOCKS": unix.RLIMIT_LOCKS,
	"RLIMIT_MEMLOCK": unix.RLIMIT_MEMLOCK, "RLIMIT_MSGQUEUE": unix.RLIMIT_MSGQUEUE, "RLIMIT_NICE": unix.RLIMIT_NICE,
	"RLIMIT_NOFILE": unix.RLIMIT_NOFILE, "RLIMIT_NPROC": unix.RLIMIT_NPROC, "RLIMIT_RSS": unix.RLIMIT_RSS,
	"RLIMIT_RTPRIO": unix.RLIMIT_RTPRIO, "RLIMIT_RTTIME": unix.RLIMIT_RTTIME,
	"RLIMIT_SIGPENDING": unix.RLIMIT_SIGPENDING, "RLIMIT_STACK": unix.RLIMIT_STACK,
}

func lcMap(m idmap.Map) []configs.IDMap {
	out := make([]configs.IDMap, 0, len(m))
	for _, e := range m {
		out = append(out, configs.IDMap{
			ContainerID: int64(e.Container), HostID: int64(e.Host), Size: int64(e.Count),
		})
	}
	return out
}

// lcCgroup keeps libcontainer's cgroup managers from making and moving anything:
// the container is born where it belongs (userns/nsjoin/born.c). They give up
// without an error where they cannot make the cgroup and no limit is asked of them.
// No kernel makes one with a line break in its name, which would let
// /proc/PID/cgroup lie.
// On cgroup v1 they give up for want of permission; the name is one that nobody
// else can have made and filled, or they would refuse the container.
func lcCgroup(id string) *cgroups.Cgroup {
	c := &cgroups.Cgroup{Name: "burrow-" + id, Rootless: true, Resources: &cgroups.Resources{}}
	if cgroups.IsCgroup2UnifiedMode() {
		c.Parent, c.Name = "/", "none\n"
	}
	return c
}
