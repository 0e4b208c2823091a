package engine

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// defaultDevices are the nodes that every container has; with /dev/ptmx and, on
// a terminal, /dev/console they are all it has.
func defaultDevices() []launch.Device {
	return []launch.Device{
		{Path: "/dev/null", Type: 'c', Major: 1, Minor: 3},
		{Path: "/dev/zero", Type: 'c', Major: 1, Minor: 5},
		{Path: "/dev/full", Type: 'c', Major: 1, Minor: 7},
		{Path: "/dev/random", Type: 'c', Major: 1, Minor: 8},
		{Path: "/dev/urandom", Type: 'c', Major: 1, Minor: 9},
		{Path: "/dev/tty", Type: 'c', Major: 5, Minor: 0},
	}
}

// devices are the default ones but for those that the user has mounted something on.
func (r *run) devices() []launch.Device {
	return slices.DeleteFunc(defaultDevices(), func(d launch.Device) bool {
		return slices.ContainsFunc(r.spec.Mounts, func(m spec.Mount) bool { return m.Dest == d.Path })
	})
}

// deviceMounts shows devices of the host by bind mount. The host's permissions
// apply: rootless means that no rights are gained, and mknod never works.
func (r *run) deviceMounts() ([]launch.Mount, error) {
	out := make([]launch.Mount, 0, len(r.spec.Devices))
	for _, d := range r.spec.Devices {
		info, err := os.Stat(d.Host)
		if errors.Is(err, os.ErrNotExist) {
			return nil, hint.New(fmt.Errorf("device %s does not exist", d.Host), "ls -l "+d.Host)
		}
		if err != nil {
			return nil, fmt.Errorf("device: %w", err)
		}
		if info.Mode()&os.ModeDevice == 0 {
			return nil, fmt.Errorf("device %s: not a device node", d.Host)
		}
		if !d.Read || !d.Write {
			// MS_RDONLY keeps nobody from writing to a device node (mount(2)).
			r.warn("device %s: the permissions given cannot be enforced, only those on the host", d.Host)
		}
		if unix.Access(d.Host, unix.R_OK|unix.W_OK) != nil {
			r.warn("device %s: you may not use it on the host, so the container may not either", d.Host)
		}
		out = append(out, launch.Mount{
			Type: "bind", Source: d.Host, Dest: d.Container, Flags: sys.MountBind | sys.MountNoSUID | sys.MountNoExec,
		})
	}
	return out, nil
}

// initPrograms are init processes that reap zombies and forward signals, in
// order of preference; all are static or take no library from the image.
var initPrograms = []string{
	"/usr/libexec/podman/catatonit", "/usr/bin/catatonit", "/usr/bin/tini-static", "/usr/bin/docker-init",
}

const initDest = "/run/burrow-init"

// initMount shows the init program in the container.
func (r *run) initMount() (launch.Mount, error) {
	candidates := initPrograms
	if p := r.spec.Process.InitPath; p != "" {
		candidates = []string{p}
	}
	for _, p := range candidates {
		info, err := os.Stat(p)
		if err != nil || !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
			continue
		}
		return launch.Mount{
			Type: "bind", Source: p, Dest: initDest,
			Flags: sys.MountBind | sys.MountReadOnly | sys.MountNoSUID | sys.MountNoDev,
		}, nil
	}
	if p := r.spec.Process.InitPath; p != "" {
		return launch.Mount{}, fmt.Errorf("--init-path %s: no such program", p)
	}
	return launch.Mount{}, hint.New(errors.New("--init: no init program is installed"), "sudo apt-get install catatonit")
}
