package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/cgroup"
	"github.com/burrow-run/burrow/engine/doctor"
	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/userns"
)

// version is set by the linker (make build).
var version = "dev"

// programInfo is what Podman and Docker say of one side of the connection; here both
// are this program.
type programInfo struct {
	Version, APIVersion, GoVersion, OsArch, Os, Arch string
}

// versionInfo is what templates of `version` see, and of info's Version.
type versionInfo struct {
	programInfo

	Libraries map[string]string
}

func thisVersion() versionInfo {
	v := versionInfo{
		programInfo: programInfo{
			Version: version, APIVersion: version, GoVersion: runtime.Version(),
			OsArch: runtime.GOOS + "/" + runtime.GOARCH, Os: runtime.GOOS, Arch: runtime.GOARCH,
		},
		Libraries: map[string]string{},
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			switch d.Path {
			case "github.com/opencontainers/runc", "github.com/rootless-containers/rootlesskit/v3",
				"github.com/seccomp/libseccomp-golang", "github.com/opencontainers/selinux":
				v.Libraries[d.Path] = d.Version
			}
		}
	}
	return v
}

func (a *app) versionCommand() *cobra.Command {
	var template string
	cmd := &cobra.Command{
		Use: "version", Short: "Show the version", Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if template == "" {
				return printTo(a.out, fmt.Sprintf("burrow %s\n%s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH))
			}
			v := thisVersion()
			return a.printAs(template, struct {
				versionInfo

				Client, Server programInfo
			}{v, v.programInfo, v.programInfo})
		},
	}
	cmd.Flags().StringVarP(&template, "format", "f", "", "json, or a Go template")
	return cmd
}

// setUp is what `info` shows: Podman's fields of the same names, as far as there is
// such a thing here, and ours.
type setUp struct {
	Version versionInfo `json:"version"`
	Host    hostInfo    `json:"host"`
	Anchor  anchorInfo  `json:"anchor"`
	IDs     idsInfo     `json:"ids"`
	Store   storeInfo   `json:"store"`
}

type hostInfo struct {
	Arch          string           `json:"arch"`
	OS            string           `json:"os"`
	Hostname      string           `json:"hostname"`
	Kernel        string           `json:"kernel"`
	CPUs          int              `json:"cpus"`
	MemTotal      uint64           `json:"memTotal"`      // bytes
	MemFree       uint64           `json:"memFree"`       // bytes
	CgroupManager string           `json:"cgroupManager"` // who makes cgroups: systemd or cgroupfs
	CgroupVersion string           `json:"cgroupVersion"`
	Distribution  distributionInfo `json:"distribution"`
	EventLogger   string           `json:"eventLogger"`
	LogDriver     string           `json:"logDriver"`
	IDMappings    idMappings       `json:"idMappings"` // the anchor's
	User          string           `json:"user"`
	UID           int              `json:"uid"`
	CanRun        bool             `json:"canRun"`
	Security      securityInfo     `json:"security"`
	OCIRuntime    runtimeInfo      `json:"ociRuntime"`
}

type distributionInfo struct {
	Distribution string `json:"distribution"`
	Version      string `json:"version"`
	Codename     string `json:"codename,omitempty"`
}

type idMappings struct {
	GIDMap []idMapping `json:"gidmap"`
	UIDMap []idMapping `json:"uidmap"`
}

type idMapping struct {
	ContainerID uint32 `json:"container_id"`
	HostID      uint32 `json:"host_id"`
	Size        uint32 `json:"size"`
}

func mappingsOf(m idmap.Map) []idMapping {
	out := []idMapping{}
	for _, e := range m {
		out = append(out, idMapping{e.Container, e.Host, e.Count})
	}
	return out
}

type securityInfo struct {
	Rootless bool `json:"rootless"`
}

type runtimeInfo struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type anchorInfo struct {
	Running bool `json:"running"`
	PID     int  `json:"pid"`
}

type idsInfo struct {
	UIDs uint64 `json:"uids"`
	GIDs uint64 `json:"gids"`
}

type storeInfo struct {
	paths.Dirs

	GraphDriverName string         `json:"graphDriverName"`
	GraphRoot       string         `json:"graphRoot"`
	RunRoot         string         `json:"runRoot"`
	VolumePath      string         `json:"volumePath"`
	ContainerStore  containerStore `json:"containerStore"`
	ImageStore      imageStore     `json:"imageStore"`
}

type imageStore struct {
	Number int `json:"number"`
}

type containerStore struct {
	Number  int `json:"number"`
	Paused  int `json:"paused"`
	Running int `json:"running"`
	Stopped int `json:"stopped"`
}

func (a *app) infoCommand() *cobra.Command {
	var template string
	cmd := &cobra.Command{
		Use: "info", Short: "Show the set-up as JSON", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			uids, gids, err := userns.Maps(cmd.Context(), userns.User{Name: c.name, UID: uint32(c.uid), GID: uint32(c.gid)})
			if err != nil {
				warn(a.err, err.Error())
			}
			anchor, anchorErr := userns.Find(c.dirs.Run)
			host := hostOfCaller(cmd.Context(), c)
			host.IDMappings = idMappings{mappingsOf(gids), mappingsOf(uids)}
			return a.printAs(template, setUp{
				Version: thisVersion(), Host: host,
				Anchor: anchorInfo{anchorErr == nil, anchor.PID},
				IDs:    idsInfo{uids.Size(), gids.Size()},
				Store:  storeOf(c.dirs),
			})
		},
	}
	cmd.Flags().StringVarP(&template, "format", "f", "json", "json, or a Go template")
	return cmd
}

func hostOfCaller(ctx context.Context, c caller) hostInfo {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	name, _ := os.Hostname()
	h := hostInfo{
		Arch: runtime.GOARCH, OS: runtime.GOOS, Hostname: name, Kernel: oneLine(string(kernel)), CPUs: runtime.NumCPU(),
		CgroupVersion: "v1", CgroupManager: "cgroupfs", EventLogger: "file", LogDriver: spec.LogK8sFile, User: c.name, UID: c.uid, Security: securityInfo{Rootless: c.uid != 0},
		OCIRuntime: runtimeInfo{Name: "burrow", Version: version},
		CanRun:     doctor.CanRun(doctor.Check(ctx, doctorEnv(c))),
	}
	if cgroup.Unified() {
		h.CgroupVersion = "v2"
	}
	if _, err := os.Stat("/run/systemd/system"); err == nil { // sd_booted(3)
		h.CgroupManager = "systemd"
	}
	release, _ := os.ReadFile("/etc/os-release")
	h.Distribution = distribution(string(release))
	h.MemTotal, h.MemFree = memory()
	return h
}

// memory is MemTotal and MemFree of /proc/meminfo in bytes, 0 if it cannot be read.
func memory() (total, free uint64) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0, 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var key string
		var kib uint64
		_, _ = fmt.Sscanf(lines.Text(), "%s %d", &key, &kib)
		switch key {
		case "MemTotal:":
			total = kib << 10
		case "MemFree:":
			free = kib << 10
		}
	}
	return total, free
}

func storeOf(d paths.Dirs) storeInfo {
	s := storeInfo{
		Dirs: d, GraphDriverName: "overlay", GraphRoot: filepath.Join(d.Data, "storage"), RunRoot: d.Run,
		VolumePath: filepath.Join(d.Data, "volumes"),
	}
	images, _ := plan.IDs(d)
	s.ImageStore.Number = len(images)
	records, _, _ := engine.List(d) // what is damaged is none of them
	for _, r := range records {
		s.ContainerStore.Number++
		switch r.State() {
		case "running":
			s.ContainerStore.Running++
		case "paused":
			s.ContainerStore.Paused++
		default:
			s.ContainerStore.Stopped++
		}
	}
	return s
}
