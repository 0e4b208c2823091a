package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Validate refuses what is only wrong in combination, and what a caller that
// does not use the Parse functions may have put in unchecked.
func (s *Spec) Validate() error {
	checks := []func() error{
		s.checkSource, s.checkNames, s.checkProcess, s.checkNamespaces,
		s.checkNetwork, s.checkMounts, s.checkResources, s.checkLog, s.checkHealth,
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func conflict(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrConflict, fmt.Sprintf(format, args...))
}

func (s *Spec) checkSource() error {
	n := 0
	for _, given := range []bool{s.Image != "", s.Rootfs != nil, s.Host} {
		if given {
			n++
		}
	}
	if n != 1 {
		return errors.New("needs exactly one of an image, a root directory and the image \"host\"")
	}
	if err := checkText(s.Image); err != nil {
		return badErr(s.Image, fmt.Errorf("image name %w", err))
	}
	if err := CheckArgs(s.Args); err != nil {
		return fmt.Errorf("argument %w", err)
	}
	if s.Entrypoint != nil {
		return CheckArgs(*s.Entrypoint)
	}
	return nil
}

func (s *Spec) checkNames() error {
	switch {
	case s.Replace && s.Name == "":
		return errors.New("--replace needs --name")
	case s.RemoveImage && s.Restart.Policy != RestartNo:
		return conflict("--rmi and --restart")
	case s.Remove && s.Restart.Policy != RestartNo:
		return conflict("--rm and --restart")
	case s.RemoveImage && s.Image == "":
		return conflict("--rmi and a root that is no image")
	}
	if s.Name != "" {
		if err := CheckName(s.Name); err != nil {
			return err
		}
	}
	for k, v := range s.Labels {
		if _, _, err := ParseLabel(k + "=" + v); err != nil {
			return fmt.Errorf("label %w", err)
		}
	}
	for k, v := range s.Annotations {
		if _, _, err := ParseAnnotation(k + "=" + v); err != nil {
			return fmt.Errorf("annotation %w", err)
		}
	}
	return nil
}

func (s *Spec) checkProcess() error {
	p := &s.Process
	for _, kv := range slices.Concat(p.Env.Set, p.Env.Host, p.Env.Merge) {
		if err := CheckEnv(kv); err != nil {
			return err
		}
	}
	if p.User != "" {
		if _, _, err := ParseUser(p.User); err != nil {
			return err
		}
	}
	if p.Workdir != "" {
		if err := CheckWorkdir(p.Workdir); err != nil {
			return err
		}
	}
	switch {
	case p.KeepGroups && len(p.Groups) > 0:
		return conflict("--group-add keep-groups excludes other groups")
	case len(s.Stdio.PreserveFDs) > 0 && (s.Stdio.Detach || s.Restart.Policy != RestartNo):
		return conflict("--preserve-fds and a container that outlives the command (--detach, --restart)")
	case p.InitPath != "" && !p.Init:
		return errors.New("--init-path needs --init")
	}
	for _, name := range []string{p.Hostname, p.Domainname} {
		if name == "" {
			continue
		}
		if err := CheckHostname(name); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spec) checkNamespaces() error {
	n := &s.Namespaces
	maps := len(n.UIDMap)+len(n.GIDMap) > 0
	names := n.SubUIDName != "" || n.SubGIDName != ""
	switch {
	case n.Userns != "" && (maps || names):
		return conflict("--userns and explicit maps (--uidmap, --gidmap, --subuidname, --subgidname)")
	case maps && names:
		return conflict("--uidmap, --gidmap and --subuidname, --subgidname")
	case (n.UTS.Mode == NamespaceHost || n.UTS.Ref != "") && s.Process.Hostname != "":
		return conflict("--hostname and --uts=%s: the name is already given", n.UTS.Mode)
	case (n.UTS.Mode == NamespaceHost || n.UTS.Ref != "") && s.Process.Domainname != "":
		return conflict("--domainname and --uts=%s: the name is already given", n.UTS.Mode)
	}
	return nil
}

func (s *Spec) checkNetwork() error {
	n := &s.Network
	if n.NoHosts && len(n.AddHosts) > 0 {
		return conflict("--no-hosts and --add-host")
	}
	if slices.Contains(n.DNS, "none") && len(n.DNS)+len(n.DNSSearch)+len(n.DNSOptions) > 1 {
		return conflict("--dns=none and other --dns flags")
	}
	if n.kind() == "container" && (len(n.Publish) > 0 || n.PublishAll) {
		return conflict("published ports and --network=container: publish them on the other container")
	}
	return nil
}

func (s *Spec) checkMounts() error {
	used := map[string]bool{}
	for i := range s.Mounts {
		dest, err := checkDest(s.Mounts[i].Dest)
		if err != nil {
			return fmt.Errorf("mount: %w", err)
		}
		if used[dest] {
			return fmt.Errorf("mount: destination %s is given twice", Quote(dest))
		}
		used[dest] = true
	}
	for _, d := range s.Devices {
		if used[d.Container] {
			return fmt.Errorf("device: destination %s is given twice", Quote(d.Container))
		}
		used[d.Container] = true
	}
	return nil
}

func (s *Spec) checkResources() error {
	r := &s.Resources
	limited := r.limited()
	switch {
	case r.NoCgroup && limited:
		return conflict("--cgroups=disabled and resource limits")
	case r.NoCgroup && r.CgroupParent != "":
		return conflict("--cgroups=disabled and --cgroup-parent")
	case r.MemorySwap != 0 && r.Memory == 0:
		return errors.New("--memory-swap needs --memory")
	case r.MemorySwap > 0 && r.MemorySwap < r.Memory:
		return conflict("--memory-swap is memory plus swap and cannot be less than --memory")
	case r.Memory > 0 && r.MemoryReservation > r.Memory:
		return conflict("--memory-reservation is more than --memory")
	case strings.ContainsAny(r.CgroupParent, "\x00\n\r") || slices.Contains(strings.Split(r.CgroupParent, "/"), ".."):
		return bad(r.CgroupParent, "is not the path of a cgroup")
	}
	return nil
}

// limited says whether the caller asked for any limit.
func (r *Resources) limited() bool {
	return r.Memory != 0 || r.MemorySwap != 0 || r.MemoryReservation != 0 ||
		r.CPUPeriod != 0 || r.CPUQuota > 0 || r.CPUShares != 0 ||
		r.CPUSetCPUs != "" || r.CPUSetMems != "" || r.BlkioWeight != 0 ||
		(r.PidsLimit != nil && *r.PidsLimit > 0)
}

// Warnings names what is accepted but has no effect, or less than it seems.
func (s *Spec) Warnings() []string {
	var w []string
	// --network=none refuses them: there nobody could reach the container another way.
	if s.Network.kind() == "host" && (len(s.Network.Publish) > 0 || s.Network.PublishAll) {
		w = append(w, "published ports have no effect with --network=host")
	}
	return w
}
