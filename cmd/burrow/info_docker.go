package main

import (
	"strconv"
	"strings"
)

// What scripts ask `docker info` for are methods: they are in no JSON, where Podman's
// names are.

// ServerVersion is this program's.
func (s setUp) ServerVersion() string { return s.Version.Version }

// OSType and Architecture are the machine's; OperatingSystem is the distribution's name.
func (s setUp) OSType() string { return s.Host.OS }

// Architecture is the machine's, as uname -m has it.
func (s setUp) Architecture() string {
	if name, ok := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[s.Host.Arch]; ok {
		return name
	}
	return s.Host.Arch
}

// OperatingSystem is the distribution's name.
func (s setUp) OperatingSystem() string {
	return strings.TrimSpace(s.Host.Distribution.Distribution + " " + s.Host.Distribution.Version)
}

// KernelVersion is what uname -r says.
func (s setUp) KernelVersion() string { return s.Host.Kernel }

// Name is the host's.
func (s setUp) Name() string { return s.Host.Hostname }

// NCPU is how many processors there are.
func (s setUp) NCPU() int { return s.Host.CPUs }

// MemTotal is the machine's memory in bytes.
func (s setUp) MemTotal() uint64 { return s.Host.MemTotal }

// DockerRootDir is where images and volumes are.
func (s setUp) DockerRootDir() string { return s.Store.Data }

// Driver is the storage driver.
func (s setUp) Driver() string { return s.Store.GraphDriverName }

// CgroupDriver is Podman's CgroupManager.
func (s setUp) CgroupDriver() string { return s.Host.CgroupManager }

// CgroupVersion is a number with Docker.
func (s setUp) CgroupVersion() string { return strings.TrimPrefix(s.Host.CgroupVersion, "v") }

// SecurityOptions are what every container has; scripts look for name=rootless.
func (s setUp) SecurityOptions() []string {
	return []string{"name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"}
}

// Containers is how many there are, in any state.
func (s setUp) Containers() int { return s.Store.ContainerStore.Number }

// ContainersRunning is how many of them run.
func (s setUp) ContainersRunning() int { return s.Store.ContainerStore.Running }

// ContainersPaused is how many of them are frozen.
func (s setUp) ContainersPaused() int { return s.Store.ContainerStore.Paused }

// ContainersStopped is how many of them do neither.
func (s setUp) ContainersStopped() int { return s.Store.ContainerStore.Stopped }

// Images is how many are stored.
func (s setUp) Images() int { return s.Store.ImageStore.Number }

// CgroupsVersion is the name of CgroupVersion in Podman's templates.
func (h hostInfo) CgroupsVersion() string { return h.CgroupVersion }

// distribution is the host's, from os-release(5).
func distribution(text string) distributionInfo {
	var d distributionInfo
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		if plain, err := strconv.Unquote(value); err == nil {
			value = plain
		}
		switch key {
		case "ID":
			d.Distribution = value
		case "VERSION_ID":
			d.Version = value
		case "VERSION_CODENAME":
			d.Codename = value
		}
	}
	return d
}
