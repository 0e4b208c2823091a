package main

import (
	"fmt"
	"time"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/format"
)

// inspected is a container as `inspect` shows it: Docker's and Podman's names
// where they have one for it, ours for the rest.
type inspected struct {
	ID      string `json:"Id"` // Docker's name
	Name    string
	Created time.Time
	Path    string
	Args    []string
	State   inspectedState
	Image   string
	// ImageName is the name the image had when the container was made.
	ImageName  string
	Config     inspectedConfig
	HostConfig inspectedHost
	// IDMappings are what the container's IDs are on the host side of its
	// namespace: IDs of the anchor.
	IDMappings     inspectedIDs
	SecurityReport any
}

type inspectedState struct {
	Status     string
	Running    bool
	Paused     bool
	OOMKilled  bool
	Pid        int
	ExitCode   int
	StartedAt  time.Time
	FinishedAt time.Time
	// CgroupPath is where the container is below /sys/fs/cgroup, empty without a cgroup of its own.
	CgroupPath string
}

type inspectedHost struct {
	NetworkMode    string
	UsernsMode     string
	Binds          []string
	PortBindings   []string
	AutoRemove     bool
	Privileged     bool
	ReadonlyRootfs bool
	CapAdd         []string
	CapDrop        []string
	SecurityOpt    []string
	inspectedLimits
}

// inspectedLimits are the limits as they were asked for; 0 is none.
type inspectedLimits struct {
	CgroupParent                          string
	Memory, MemorySwap, MemoryReservation int64
	CpuShares, CpuPeriod                  uint64 //nolint:revive // Docker's names
	CpuQuota                              int64  //nolint:revive // Docker's name
	CpusetCpus, CpusetMems                string
	BlkioWeight                           uint16
	PidsLimit                             int64
}

func limitsOf(r spec.Resources, limited bool) inspectedLimits {
	l := inspectedLimits{
		CgroupParent: r.CgroupParent,
		Memory:       r.Memory, MemorySwap: r.MemorySwap, MemoryReservation: r.MemoryReservation,
		CpuShares: r.CPUShares, CpuPeriod: r.CPUPeriod, CpuQuota: r.CPUQuota,
		CpusetCpus: r.CPUSetCPUs, CpusetMems: r.CPUSetMems, BlkioWeight: r.BlkioWeight,
	}
	switch {
	case r.PidsLimit != nil:
		l.PidsLimit = *r.PidsLimit
	case limited:
		l.PidsLimit = spec.DefaultPidsLimit
	}
	return l
}

// inspectedConfig leaves the values of the environment out: they may be secrets.
type inspectedConfig struct {
	Hostname    string
	User        string
	WorkingDir  string
	Tty         bool // Docker's name
	OpenStdin   bool
	Labels      map[string]string
	Annotations map[string]string
	StopSignal  string
	StopTimeout int // seconds
	Healthcheck *inspectedHealthcheck
}

type inspectedHealthcheck struct {
	Test        []string
	Interval    time.Duration // nanoseconds
	Timeout     time.Duration
	StartPeriod time.Duration
	Retries     int
}

type inspectedIDs struct{ UidMap, GidMap []string } //nolint:revive // Podman's names

func (a *app) printInspect(records []engine.Record, template string) error {
	list := make([]inspected, 0, len(records))
	for _, r := range records {
		list = append(list, view(r))
	}
	if template == "" || template == "json" {
		return a.printJSON(list)
	}
	t, err := format.New(template, "json")
	if err != nil {
		return err
	}
	return format.Print(t, a.out, list, nil, 0)
}

func view(r engine.Record) inspected {
	v := inspected{
		ID: r.ID, Name: r.Name, Created: r.Created, Image: r.ImageID, ImageName: r.Image,
		State: inspectedState{
			Status: "exited", Running: r.Running(), OOMKilled: r.OOMKilled, Pid: r.PID, ExitCode: r.ExitCode,
			StartedAt: r.Started, FinishedAt: r.Finished, CgroupPath: r.Cgroup,
		},
		HostConfig: inspectedHost{
			NetworkMode: r.Network, UsernsMode: r.Userns, PortBindings: r.Ports, AutoRemove: r.Remove,
			Privileged: r.Spec.Security.Privileged, ReadonlyRootfs: r.Spec.Root.ReadOnly,
			CapAdd: r.Spec.Security.CapAdd, CapDrop: r.Spec.Security.CapDrop, SecurityOpt: r.Spec.Security.Options,
			inspectedLimits: limitsOf(r.Spec.Resources, r.Cgroup != ""),
		},
		SecurityReport: r.Security,
	}
	m := r.Metadata
	v.Config = inspectedConfig{
		Hostname: r.Hostname, User: m.User, WorkingDir: m.WorkingDir, Tty: r.Spec.Stdio.TTY, OpenStdin: r.Spec.Stdio.Interactive,
		Labels: m.Labels, Annotations: m.Annotations, StopSignal: m.StopSignal,
		StopTimeout: int(r.Spec.Stop.Timeout.Seconds()), Healthcheck: (*inspectedHealthcheck)(m.Healthcheck),
	}
	if len(r.Command) > 0 {
		v.Path, v.Args = r.Command[0], r.Command[1:]
	}
	if v.State.Running {
		v.State.Status, v.State.Paused = r.State(), r.Paused()
	} else if r.PID == 0 {
		v.State.Status = "created"
	}
	for _, e := range r.UIDMap {
		v.IDMappings.UidMap = append(v.IDMappings.UidMap, fmt.Sprintf("%d:%d:%d", e.Container, e.Host, e.Count))
	}
	for _, e := range r.GIDMap {
		v.IDMappings.GidMap = append(v.IDMappings.GidMap, fmt.Sprintf("%d:%d:%d", e.Container, e.Host, e.Count))
	}
	for _, m := range r.Spec.Mounts {
		if m.Source != "" {
			v.HostConfig.Binds = append(v.HostConfig.Binds, m.Source+":"+m.Dest)
		}
	}
	return v
}
