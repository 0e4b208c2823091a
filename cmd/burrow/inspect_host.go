package main

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
)

// inspectedHost is what the container was asked to be, in Docker's words.
type inspectedHost struct {
	Binds           []string
	ContainerIDFile string
	LogConfig       inspectedLog
	NetworkMode     string
	PortBindings    map[string][]inspectedBinding
	PublishAllPorts bool
	RestartPolicy   inspectedRestart
	AutoRemove      bool
	AutoRemoveImage bool
	CapAdd          []string
	CapDrop         []string
	Dns             []string //nolint:revive // Docker's names
	DnsOptions      []string //nolint:revive // as above
	DnsSearch       []string //nolint:revive // as above
	ExtraHosts      []string
	GroupAdd        []string
	IpcMode         string
	PidMode         string
	UTSMode         string
	CgroupMode      string
	UsernsMode      string
	OomScoreAdj     int
	Privileged      bool
	ReadonlyRootfs  bool
	SecurityOpt     []string
	Tmpfs           map[string]string
	ShmSize         int64
	Sysctls         map[string]string
	Ulimits         []inspectedUlimit
	Devices         []inspectedDevice
	Init            bool
	Runtime         string
	NanoCpus        int64
	inspectedLimits
}

type inspectedLog struct {
	Type   string
	Config map[string]string
	Path   string
	Tag    string
	Size   string
}

type inspectedRestart struct {
	Name              string
	MaximumRetryCount int
}

type inspectedBinding struct {
	HostIP   string `json:"HostIp"` //nolint:tagliatelle // Docker's name
	HostPort string
}

type inspectedUlimit struct {
	Name       string
	Soft, Hard int64
}

type inspectedDevice struct{ PathOnHost, PathInContainer, CgroupPermissions string }

type inspectedMount struct {
	Type        string
	Name        string `json:",omitempty"` // of a volume; of an artifact's file in the container
	Source      string
	Destination string
	Driver      string
	Mode        string
	Options     []string
	RW          bool
	Propagation string
	SubPath     string `json:",omitempty"` // of an artifact: the file that was chosen
}

type inspectedDriver struct {
	Name string
	Data map[string]string
}

// inspectedNetwork has an address for nobody: the helper's network is the same
// for all containers, and not to be reached from outside.
type inspectedNetwork struct {
	Ports      map[string][]inspectedBinding
	SandboxKey string
	IPAddress  string
	Gateway    string
	MacAddress string
	Networks   map[string]inspectedEndpoint
}

type inspectedEndpoint struct {
	NetworkID, IPAddress, Gateway, MacAddress string
	Aliases                                   []string
}

func hostOf(r engine.Record) inspectedHost {
	s := r.Spec
	h := inspectedHost{
		Binds: []string{}, ContainerIDFile: s.CIDFile, LogConfig: logOf(r), NetworkMode: r.Network, PortBindings: portBindings(r),
		PublishAllPorts: s.Network.PublishAll, RestartPolicy: inspectedRestart{cmp.Or(string(s.Restart.Policy), "no"), s.Restart.Max},
		AutoRemove: r.Remove, AutoRemoveImage: s.RemoveImage, CapAdd: orNone(s.Security.CapAdd), CapDrop: orNone(s.Security.CapDrop),
		Dns: orNone(s.Network.DNS), DnsOptions: orNone(s.Network.DNSOptions), DnsSearch: orNone(s.Network.DNSSearch),
		ExtraHosts: orNone(s.Network.AddHosts), GroupAdd: orNone(s.Process.Groups),
		IpcMode: modeOf(s.Namespaces.IPC), PidMode: modeOf(s.Namespaces.PID), UTSMode: modeOf(s.Namespaces.UTS), CgroupMode: modeOf(s.Namespaces.Cgroup),
		UsernsMode: r.Userns, Privileged: s.Security.Privileged, ReadonlyRootfs: s.Root.ReadOnly, SecurityOpt: orNone(s.Security.Options),
		Tmpfs: map[string]string{}, ShmSize: s.Root.ShmSize, Sysctls: r.Security.Sysctls, Ulimits: []inspectedUlimit{}, Devices: []inspectedDevice{},
		Init: s.Process.Init, Runtime: "burrow", inspectedLimits: limitsOf(s.Resources, r.Cgroup != ""),
	}
	if s.Process.OOMScoreAdj != nil {
		h.OomScoreAdj = *s.Process.OOMScoreAdj
	}
	if s.Resources.CPUQuota > 0 && s.Resources.CPUPeriod > 0 {
		h.NanoCpus = s.Resources.CPUQuota * 1e9 / int64(s.Resources.CPUPeriod) //nolint:gosec // a second at most
	}
	for _, m := range s.Mounts {
		if m.Type == spec.MountTmpfs {
			h.Tmpfs[m.Dest] = strings.Join(mountOptions(m), ",")
		} else if m.Source != "" && m.Type != spec.MountArtifact {
			h.Binds = append(h.Binds, m.Source+":"+m.Dest+":"+strings.Join(mountOptions(m), ","))
		}
	}
	for _, u := range s.Security.Ulimits {
		h.Ulimits = append(h.Ulimits, ulimitOf(u))
	}
	for _, d := range s.Devices {
		h.Devices = append(h.Devices, inspectedDevice{d.Host, d.Container, devicePermissions(d)})
	}
	return h
}

func modeOf(n spec.Namespace) string {
	if n.Ref != "" {
		return string(n.Mode) + ":" + n.Ref
	}
	return cmp.Or(string(n.Mode), "private")
}

func devicePermissions(d spec.Device) string {
	var out []byte
	for i, on := range []bool{d.Read, d.Write, d.Mknod} {
		if on {
			out = append(out, "rwm"[i])
		}
	}
	return string(out)
}

// ulimitOf reads NAME=SOFT[:HARD], which has been checked when the container was made.
func ulimitOf(text string) inspectedUlimit {
	name, values, _ := strings.Cut(text, "=")
	soft, hard, has := strings.Cut(values, ":")
	if !has {
		hard = soft
	}
	number := func(s string) int64 {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return -1 // unlimited
		}
		return n
	}
	return inspectedUlimit{name, number(soft), number(hard)}
}

func logOf(r engine.Record) inspectedLog {
	l := r.Spec.Log
	out := inspectedLog{Type: r.LogDriver(), Config: map[string]string{}, Path: l.Path, Tag: l.Tag, Size: "0B"}
	if l.MaxSize > 0 {
		out.Size = decimal(l.MaxSize)
		out.Config["max-size"] = strconv.FormatInt(l.MaxSize, 10)
	}
	if l.MaxFile > 0 {
		out.Config["max-file"] = strconv.Itoa(l.MaxFile)
	}
	return out
}

// portBindings are the published ports, PORT/PROTOCOL to where they are on the host.
func portBindings(r engine.Record) map[string][]inspectedBinding {
	out := map[string][]inspectedBinding{}
	for _, p := range ports(r.Ports) {
		for i := range max(p.Range, 1) {
			at := fmt.Sprintf("%d/%s", p.ContainerPort+i, p.Protocol)
			out[at] = append(out[at], inspectedBinding{p.HostIP, strconv.Itoa(int(p.HostPort + i))})
		}
	}
	return out
}

// networkOf names the ports that are exposed and not published too, without bindings.
func networkOf(r engine.Record) inspectedNetwork {
	n := inspectedNetwork{Ports: map[string][]inspectedBinding{}, Networks: map[string]inspectedEndpoint{}}
	for at := range exposed(r) {
		n.Ports[at] = nil
	}
	if r.Running() {
		maps.Copy(n.Ports, portBindings(r))
		n.SandboxKey = fmt.Sprintf("/proc/%d/ns/net", r.PID)
	}
	if r.Network != "" {
		n.Networks[r.Network] = inspectedEndpoint{NetworkID: r.Network, Aliases: []string{}}
	}
	return n
}

// exposed are the ports of EXPOSE and --expose: PORT[-LAST][/PROTOCOL].
func exposed(r engine.Record) map[string]struct{} {
	out := map[string]struct{}{}
	for _, text := range r.Payload.ExposedPorts {
		numbers, protocol, _ := strings.Cut(text, "/")
		first, last, ranged := strings.Cut(numbers, "-")
		if !ranged {
			last = first
		}
		for p, n := uint32(portNumber(first)), uint32(portNumber(last)); p != 0 && p <= n; p++ {
			out[fmt.Sprintf("%d/%s", p, cmp.Or(protocol, "tcp"))] = struct{}{}
		}
	}
	return out
}

// mountsOf are the binds, volumes and artifacts.
func mountsOf(c caller, r engine.Record) []inspectedMount {
	out := []inspectedMount{}
	for _, m := range r.Spec.Mounts {
		v := inspectedMount{
			Type: string(m.Type), Source: m.Source, Destination: m.Dest, Mode: string(m.Relabel),
			Options: mountOptions(m), RW: !m.ReadOnly, Propagation: string(m.Propagation),
		}
		switch m.Type {
		case spec.MountBind:
		case spec.MountArtifact:
			v.Name = m.Artifact.Name
			v.SubPath = cmp.Or(m.Artifact.Title, m.Artifact.Digest)
		case spec.MountVolume:
			v.Name, v.Driver = m.Source, "local"
			if found, err := engine.FindVolume(c.dirs, m.Source); err == nil {
				v.Source = filepath.Join(found.Mountpoint, m.Subpath)
			}
		case spec.MountTmpfs, spec.MountDevpts, spec.MountMqueue:
			continue
		}
		out = append(out, v)
	}
	return out
}

func mountOptions(m spec.Mount) []string {
	out := []string{"rw"}
	if m.ReadOnly {
		out[0] = "ro"
	}
	for _, o := range []struct {
		on   bool
		text string
	}{
		{!m.Exec, "noexec"},
		{!m.SUID, "nosuid"},
		{!m.Dev, "nodev"},
		{m.Type == spec.MountBind && !m.NonRecursive, "rbind"},
		{m.Type == spec.MountBind && m.NonRecursive, "bind"},
		{m.Propagation != "", string(m.Propagation)},
		{m.Relabel != "", string(m.Relabel)},
		{m.Chown, "U"},
		{m.Overlay, "O"},
		{m.Size != "", "size=" + m.Size},
	} {
		if o.on {
			out = append(out, o.text)
		}
	}
	return out
}

// graphDriver names the directories that the root is made of: the image's own,
// before they are re-owned for the container. Where it is mounted, nobody else sees.
func graphDriver(c caller, r engine.Record) inspectedDriver {
	d := inspectedDriver{Name: "overlay", Data: map[string]string{}}
	if r.Spec.Host || r.Spec.Rootfs != nil {
		return d
	}
	dir := filepath.Join(c.dirs.Containers(), r.ID)
	d.Data["UpperDir"], d.Data["WorkDir"] = filepath.Join(dir, "upper"), filepath.Join(dir, "work")
	if p, err := plan.Read(c.dirs, r.ImageID); err == nil { // else its image was removed by force
		d.Data["LowerDir"] = strings.Join(p.Layers, ":")
	}
	return d
}

func configOf(r engine.Record) inspectedConfig {
	m, s := r.Metadata, r.Spec
	c := inspectedConfig{
		Hostname: r.Hostname, Domainname: s.Process.Domainname, User: m.User, AttachStdin: s.Stdio.Attach.Stdin, AttachStdout: s.Stdio.Attach.Stdout, AttachStderr: s.Stdio.Attach.Stderr,
		Tty: s.Stdio.TTY, OpenStdin: s.Stdio.Interactive, StdinOnce: s.Stdio.Interactive && !s.Stdio.Detach,
		Env: orNone(r.Payload.Env), Cmd: orNone(r.Payload.Cmd), Image: r.Image, WorkingDir: m.WorkingDir, Entrypoint: orNone(r.Payload.Entrypoint),
		Labels: m.Labels, Annotations: m.Annotations, StopSignal: m.StopSignal, StopTimeout: int(s.Stop.Timeout.Seconds()),
		Timeout: int(s.Timeout.Seconds()), Umask: fmt.Sprintf("%04o", s.Process.Umask), Secrets: []inspectedSecret{},
		inspectedHealth: healthOf(r), Volumes: map[string]struct{}{}, ExposedPorts: exposed(r),
		CreateCommand: r.CreateCommand, SdNotifyMode: s.SDNotify.String(), SystemdMode: m.Systemd,
	}
	if c.Labels == nil {
		c.Labels = map[string]string{} // {{index .Config.Labels "x"}} is an error of nil
	}
	for _, dest := range r.Payload.Volumes {
		c.Volumes[dest] = struct{}{}
	}
	for _, x := range s.Secrets {
		c.Secrets = append(c.Secrets, inspectedSecret{x.Name, x.UID, x.GID, x.Mode})
	}
	return c
}

// capsOf are the capabilities with the prefix that Docker's users expect.
func capsOf(r engine.Record) (effective, bounding []string) {
	prefixed := func(names []string) []string {
		out := make([]string, 0, len(names))
		for _, n := range names {
			out = append(out, "CAP_"+strings.TrimPrefix(n, "CAP_"))
		}
		return out
	}
	return prefixed(r.Security.Capabilities.Effective), prefixed(r.Security.Capabilities.Bounding)
}

// orNone makes a list of none, which JSON shows as [], not null.
func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
