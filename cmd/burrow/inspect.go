package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/posture"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/format"
	"github.com/burrow-run/burrow/security"
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
	ImageName       string
	ImageDigest     string
	Rootfs          string // of --rootfs
	LogPath         string
	PidFile         string
	RestartCount    int
	Driver          string
	Platform        string // Docker's: always linux
	OCIRuntime      string
	Pod             string // of none
	IsInfra         bool   // Podman's: for pods only
	MountLabel      string
	ProcessLabel    string
	AppArmorProfile string
	EffectiveCaps   []string
	BoundingCaps    []string
	GraphDriver     inspectedDriver
	SizeRw          *int64 `json:",omitempty"` // with --size
	SizeRootFs      *int64 `json:",omitempty"`
	Mounts          []inspectedMount
	Dependencies    []string // what --requires names
	NetworkSettings inspectedNetwork
	Config          inspectedConfig
	HostConfig      inspectedHost
	// IDMappings are what the container's IDs are on the host side of its
	// namespace: IDs of the anchor.
	IDMappings     inspectedIDs
	SecurityReport securityReport
}

// securityReport is what was asked for, and of a running container what the
// kernel says of its first process.
type securityReport struct {
	security.Report
	Posture *posture.Report `json:"posture,omitempty"`
}

// Id is Docker's name in templates, too.
func (v inspected) Id() string { return v.ID } //nolint:revive // see there

// ImageID is what Podman's templates may call Image.
func (v inspected) ImageID() string { return v.Image }

type inspectedState struct {
	Status     string
	Running    bool
	Paused     bool
	Restarting bool
	OOMKilled  bool
	Dead       bool
	Pid        int
	ExitCode   int
	Error      string
	StartedAt  time.Time
	FinishedAt time.Time
	// CgroupPath is where the container is below /sys/fs/cgroup, empty without a cgroup of its own.
	CgroupPath string
	Health     *engine.Health `json:",omitempty"` // none without a health check
}

// Healthcheck is what Podman's templates called Health once.
func (s inspectedState) Healthcheck() *engine.Health { return s.Health }

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

type inspectedConfig struct {
	Hostname     string
	Domainname   string
	User         string
	AttachStdin  bool
	AttachStdout bool
	AttachStderr bool
	Tty          bool // Docker's name
	OpenStdin    bool
	StdinOnce    bool
	Env          []string // without those of secrets
	Cmd          []string
	Image        string
	Volumes      map[string]struct{}
	WorkingDir   string
	Entrypoint   []string
	ExposedPorts map[string]struct{}
	Labels       map[string]string
	Annotations  map[string]string
	StopSignal   string
	StopTimeout  int // seconds
	Timeout      int // seconds, 0 is none
	Umask        string
	Secrets      []inspectedSecret
	inspectedHealth
	// CreateCommand is what made it, as it was typed.
	CreateCommand []string `json:",omitempty"`
	SystemdMode   bool
	SdNotifyMode  string `json:"sdNotifyMode"` // Podman's name
}

type inspectedSecret struct {
	Name     string
	UID, GID uint32
	Mode     uint32
}

type inspectedIDs struct{ UidMap, GidMap []string } //nolint:revive // Podman's names

func (a *app) printInspect(c caller, records []engine.Record, o inspectOptions) error {
	list := make([]inspected, 0, len(records))
	for _, r := range records {
		v := view(c, r)
		if o.wantsPosture() && r.Running() {
			p, err := a.postureOf(c, r)
			switch {
			case err == nil:
				v.SecurityReport.Posture = &p
			case !errors.Is(err, engine.ErrNotRunning): // else it has ended meanwhile
				warn(a.err, err.Error())
			}
		}
		if o.size {
			written, total, err := engine.Size(c.dirs, r)
			if err != nil {
				return err
			}
			v.SizeRw, v.SizeRootFs = &written, &total
		}
		list = append(list, v)
	}
	return printEach(a, list, o.format)
}

// printEach prints a JSON list, or each value through a template.
func printEach[T any](a *app, list []T, template string) error {
	if template == "" || template == "json" {
		return a.printJSON(list)
	}
	t, err := format.New(template, "json")
	if err != nil {
		return err
	}
	var out bytes.Buffer
	err = format.Print(t.Terminal(a.out), &out, list, nil, 0)
	if err != nil { // as Docker: what is no name of ours may be one of the JSON, such as .Id
		if raw, rawErr := asJSON(list); rawErr == nil {
			out.Reset()
			err = later(err, format.Print(t.Strict(), &out, raw, nil, 0))
		}
	}
	if err != nil {
		return err
	}
	_, err = out.WriteTo(a.out)
	return err
}

// later is the error that is further on in the template: what the one has not, the other
// has. It is nil if second is.
func later(first, second error) error {
	if second == nil || place(second) > place(first) {
		return second
	}
	return first
}

// place is where in a template an error is: text/template says it as NAME:LINE:COLUMN.
func place(err error) (at int) {
	_, rest, _ := strings.Cut(err.Error(), "template: ")
	parts := strings.SplitN(rest, ":", 4)
	if len(parts) < 4 {
		return 0
	}
	line, _ := strconv.Atoi(parts[1])
	column, _ := strconv.Atoi(parts[2])
	return line<<20 + column
}

// asJSON is a list as those see it who read our JSON.
func asJSON[T any](list []T) (raw []map[string]any, err error) {
	b, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	return raw, d.Decode(&raw)
}

func view(c caller, r engine.Record) inspected {
	v := inspected{
		ID: r.ID, Name: r.Name, Created: r.Created, Image: r.ImageID, ImageName: r.Image, ImageDigest: r.Payload.ImageDigest,
		State: inspectedState{
			Status: r.State(), OOMKilled: r.OOMKilled, ExitCode: r.ExitCode, Error: r.Error,
			StartedAt: r.Started, FinishedAt: r.Finished, CgroupPath: r.Cgroup, Health: r.Health(),
		},
		LogPath: engine.LogPath(c.dirs, r), PidFile: r.Spec.PIDFile, RestartCount: r.Restarts, Driver: "overlay",
		Platform: "linux", OCIRuntime: "burrow",
		MountLabel: r.Security.SELinux.MountLabel, ProcessLabel: r.Security.SELinux.ProcessLabel, AppArmorProfile: r.Security.AppArmor,
		GraphDriver: graphDriver(c, r), Mounts: mountsOf(c, r), Dependencies: orNone(r.Spec.Requires),
		NetworkSettings: networkOf(r), Config: configOf(r), HostConfig: hostOf(r), SecurityReport: securityReport{Report: r.Security},
	}
	if r.Spec.Rootfs != nil {
		v.Rootfs = r.Spec.Rootfs.Dir
	}
	if len(r.Command) > 0 {
		v.Path, v.Args = r.Command[0], r.Command[1:]
	}
	v.State.Paused, v.State.Dead = v.State.Status == "paused", v.State.Status == "dead"
	v.State.Running = v.State.Paused || v.State.Status == "running"
	if r.Running() && !r.Waiting() {
		v.State.Pid = r.PID
	}
	v.HostConfig.LogConfig.Path = v.LogPath // Podman's scripts look for it there
	v.EffectiveCaps, v.BoundingCaps = capsOf(r)
	v.IDMappings = inspectedIDs{mapLines(r.UIDMap), mapLines(r.GIDMap)}
	return v
}
