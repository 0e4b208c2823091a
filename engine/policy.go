package engine

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/security"
	"github.com/burrow-run/burrow/slirp"
)

// compilePolicy turns the flags into what will be enforced, before anything is
// made: a flag that is refused leaves nothing behind.
func (r *run) compilePolicy(ctx context.Context) error {
	if err := r.parseUserns(); err != nil {
		return err
	}
	mode, err := r.networkMode()
	if err != nil {
		return err
	}
	if err := r.planCgroup(ctx); err != nil {
		return err
	}
	if err := r.planSystemd(); err != nil {
		return err
	}
	s, ns := r.spec.Security, r.spec.Namespaces
	options := security.Options{
		SecurityOpt: s.Options,
		CapAdd:      s.CapAdd,
		CapDrop:     s.CapDrop,
		Privileged:  s.Privileged,
		Ulimits:     s.Ulimits,
		Sysctls:     s.Sysctls,
		HostNetwork: mode.Kind == slirp.Host,
		HostIPC:     ns.IPC.Mode == spec.NamespaceHost,
		HostPID:     ns.PID.Mode == spec.NamespaceHost,
		HostUTS:     ns.UTS.Mode == spec.NamespaceHost,
		HostCgroup:  ns.Cgroup.Mode == spec.NamespaceHost,
		HostUser:    r.mode.Kind == idmap.Host,
		SharePID:    ns.PID.Ref != "",
		ReadOnly:    r.spec.Root.ReadOnly,
		HostRoot:    r.spec.Host,
	}
	if r.systemd {
		options.SecurityOpt = append(slices.Clone(s.Options), "writable-cgroups=true")
	}
	for _, d := range r.spec.Devices {
		options.Devices = append(options.Devices, d.Host)
	}
	host := security.Probe()
	switch {
	case r.level != "":
		options.Level = r.level
	case host.SELinux.Mounted:
		level, err := security.ReserveLevel(filepath.Join(r.opts.Dirs.State, "levels"), r.id)
		if err != nil {
			return err
		}
		r.keep(level.File())
		options.Level = level.Value
	}
	if r.policy, err = security.Compile(options, host); err != nil {
		return err
	}
	if err := r.checkSysctls(); err != nil {
		return err
	}
	if f := r.policy.Seccomp; f != nil && r.policy.NoNewPrivileges {
		if r.program, err = f.Program(r.opts.Dirs.Seccomp()); err != nil {
			return err
		}
	}
	return nil
}
