package main

import (
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/go-units"

	"github.com/burrow-run/burrow/engine"
)

// psRow is a container as a template of ps sees it: Podman's names.
type psRow struct {
	ID, Image, ImageID, Command, Names           string
	CreatedAt, CreatedHuman, RunningFor          string
	State, Status, Ports, Networks, Labels, Size string
	Mounts, LocalVolumes, Pod, PodName           string
	StartedAt, ExitedAt, Created                 int64
	ExitCode, Restarts, Pid                      int
	Exited, AutoRemove, IsInfra                  bool

	rec           *engine.Record
	mounts        []string
	fullCommand   string
	written, with int64
}

// Label is the value of one label.
func (r psRow) Label(name string) string { return oneLine(r.rec.Metadata.Labels[name]) }

func newPSRow(c caller, r *engine.Record, f psFlags) (psRow, error) {
	row := psRow{
		rec: r, ID: r.ID, Image: r.Image, ImageID: r.ImageID, Names: r.Name,
		CreatedAt: r.Created.Local().Format("2006-01-02 15:04:05.999999999 -0700 MST"), Created: r.Created.Unix(),
		State: r.State(), Ports: portList(r.Ports), Networks: r.Network, Labels: labelList(r.Metadata.Labels),
		StartedAt: r.Started.Unix(), ExitedAt: r.Finished.Unix(), ExitCode: r.ExitCode, Restarts: r.Restarts,
		Exited: r.Exited, AutoRemove: r.Remove,
	}
	row.Status = status(*r, row.State)
	if row.State == "running" || row.State == "paused" || row.State == "initialized" {
		row.Pid = r.PID
	}
	row.CreatedHuman = units.HumanDuration(time.Since(r.Created)) + " ago"
	row.RunningFor = row.CreatedHuman
	row.fullCommand = oneLine(strings.Join(r.Command, " "))
	row.Command = row.fullCommand
	if !f.noTrunc {
		row.ID = r.ID[:min(12, len(r.ID))]
		row.ImageID = r.ImageID[:min(12, len(r.ImageID))]
		if len(row.Command) > 20 {
			row.Command = row.Command[:19] + "…"
		}
	}
	if f.format == "json" || strings.Contains(f.format, ".Mounts") || strings.Contains(f.format, ".LocalVolumes") {
		row.addMounts(c)
	}
	if f.size {
		if err := row.addSize(c); err != nil {
			return row, err
		}
	}
	return row, nil
}

// addMounts reads the part of the record that a list leaves out.
func (r *psRow) addMounts(c caller) {
	full, err := engine.Lookup(c.dirs, r.rec.ID)
	if err != nil {
		return // removed since, or damaged: then there is nothing to say
	}
	volumes := 0
	for _, m := range full.Spec.Mounts {
		r.mounts = append(r.mounts, m.Dest)
		if m.Type == "volume" {
			volumes++
		}
	}
	r.Mounts, r.LocalVolumes = strings.Join(r.mounts, ","), fmt.Sprint(volumes)
}

func (r *psRow) addSize(c caller) (err error) {
	if r.written, r.with, err = engine.Size(c.dirs, *r.rec); err != nil {
		return err
	}
	r.Size = fmt.Sprintf("%s (virtual %s)", units.HumanSizeWithPrecision(float64(r.written), 3), units.HumanSizeWithPrecision(float64(r.with), 3))
	return nil
}

// psNamespaces are the numbers of a container's namespaces, as Podman prints them.
type psNamespaces struct {
	Cgroup string `json:"cgroup,omitempty"`
	IPC    string `json:"ipc,omitempty"`
	Mnt    string `json:"mnt,omitempty"`
	Net    string `json:"net,omitempty"`
	PIDNS  string `json:"pidns,omitempty"`
	User   string `json:"userns,omitempty"`
	UTS    string `json:"uts,omitempty"`
}

func (r psRow) namespaces() psNamespaces {
	if r.Pid == 0 {
		return psNamespaces{}
	}
	number := func(kind string) string {
		link, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", r.Pid, kind)) // it may have ended
		return strings.TrimSuffix(link[strings.IndexByte(link, '[')+1:], "]")
	}
	return psNamespaces{
		Cgroup: number("cgroup"), IPC: number("ipc"), Mnt: number("mnt"), Net: number("net"),
		PIDNS: number("pid"), User: number("user"), UTS: number("uts"),
	}
}

// psPort is a published port as Podman prints it.
type psPort struct {
	HostIP        string `json:"host_ip"`
	ContainerPort uint16 `json:"container_port"`
	HostPort      uint16 `json:"host_port"`
	Range         uint16 `json:"range"`
	Protocol      string `json:"protocol"`
}

// String is 0.0.0.0:8080->80/tcp, or with ranges on both sides.
func (p psPort) String() string {
	of := func(port uint16) string {
		if p.Range > 1 {
			return fmt.Sprintf("%d-%d", port, port+p.Range-1)
		}
		return strconv.Itoa(int(port))
	}
	ip := p.HostIP
	if ip == "" {
		ip = "0.0.0.0"
	}
	return net.JoinHostPort(ip, of(p.HostPort)) + "->" + of(p.ContainerPort) + "/" + p.Protocol
}

// ports reads what a record says: [[IP]:HOST[-LAST]:]CONTAINER/PROTOCOL.
func ports(list []string) []psPort {
	var out []psPort
	for _, text := range list {
		spec, protocol, _ := strings.Cut(text, "/")
		p := psPort{Protocol: protocol, Range: 1}
		at := strings.LastIndexByte(spec, ':')
		p.ContainerPort = portNumber(spec[at+1:])
		if at >= 0 {
			host := spec[:at]
			if i := strings.LastIndexByte(host, ':'); i >= 0 {
				p.HostIP, host = strings.Trim(host[:i], "[]"), host[i+1:]
			}
			first, last, ranged := strings.Cut(host, "-")
			p.HostPort = portNumber(first)
			if ranged {
				p.Range = portNumber(last) - p.HostPort + 1
			}
		}
		out = append(out, p)
	}
	return out
}

func portNumber(s string) uint16 {
	n, _ := strconv.ParseUint(s, 10, 16) // our own record's
	return uint16(n)
}

func portList(list []string) string {
	out := make([]string, 0, len(list))
	for _, p := range ports(list) {
		out = append(out, p.String())
	}
	return strings.Join(out, ", ")
}

func labelList(labels map[string]string) string {
	out := make([]string, 0, len(labels))
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		out = append(out, k+"="+labels[k])
	}
	return oneLine(strings.Join(out, ","))
}

func status(r engine.Record, state string) string {
	switch state {
	case "running":
		return "Up " + units.HumanDuration(time.Since(r.Started)) + healthNote(r)
	case "paused":
		return "Paused"
	case "exited":
		return fmt.Sprintf("Exited (%d) %s ago", r.ExitCode, units.HumanDuration(time.Since(r.Finished)))
	case "created":
		return "Created"
	case "initialized":
		return "Initialized"
	}
	return "Dead"
}

// healthNote is Docker's and Podman's " (healthy)".
func healthNote(r engine.Record) string {
	h := r.Health()
	switch {
	case h == nil:
		return ""
	case h.Unwatched: // not a word that a script could take for the state of today
		return fmt.Sprintf(" (was %s, unwatched)", h.Status)
	}
	return fmt.Sprintf(" (%s)", h.Status)
}

// psJSON is a container in the output of ps --format json, as Podman prints it.
type psJSON struct {
	AutoRemove bool
	Command    []string
	CreatedAt  string
	Exited     bool
	ExitedAt   int64
	ExitCode   int
	ID         string `json:"Id"` //nolint:tagliatelle // Podman's name
	Image      string
	ImageID    string
	IsInfra    bool
	Labels     map[string]string
	Mounts     []string
	Names      []string
	Namespaces struct{}
	Networks   []string
	Pid        int
	Pod        string
	PodName    string
	Ports      []psPort
	Restarts   int
	Size       *psSize
	StartedAt  int64
	State      string
	Status     string
	Created    int64
}

type psSize struct {
	RootFsSize int64 `json:"rootFsSize"`
	RWSize     int64 `json:"rwSize"`
}

func jsonRows(list []psRow) []psJSON {
	out := make([]psJSON, 0, len(list))
	for _, r := range list {
		j := psJSON{
			AutoRemove: r.AutoRemove, Command: r.rec.Command, CreatedAt: r.CreatedHuman, Exited: r.Exited, ExitedAt: r.ExitedAt,
			ExitCode: r.ExitCode, ID: r.rec.ID, Image: r.Image, ImageID: r.rec.ImageID, Labels: r.rec.Metadata.Labels,
			Mounts: r.mounts, Names: []string{r.Names}, Networks: []string{r.Networks}, Pid: r.Pid, Ports: ports(r.rec.Ports),
			Restarts: r.Restarts, StartedAt: r.StartedAt, State: r.State, Status: r.Status, Created: r.Created,
		}
		if j.Mounts == nil {
			j.Mounts = []string{}
		}
		if r.Size != "" {
			j.Size = &psSize{RootFsSize: r.with, RWSize: r.written}
		}
		out = append(out, j)
	}
	return out
}
