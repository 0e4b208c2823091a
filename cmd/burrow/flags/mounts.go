package flags

import (
	"fmt"

	"github.com/burrow-run/burrow/engine/spec"
)

// mountFlags say what the container sees of file systems and devices.
type mountFlags struct {
	volumes, mounts, tmpfs, devices []string
	readOnly, readOnlyTmpfs         bool
	shmSize                         string
}

func (g *mountFlags) define(d definer) {
	d = d.in("File systems and devices")
	d.list(&g.volumes, "volume", "v", "bind a directory or file, `SRC:DST[:OPTIONS]`; DST alone for a throw-away volume")
	d.list(&g.mounts, "mount", "", "mount by `KEY=VALUE,...`: type=bind|volume|tmpfs|devpts|mqueue,src=,dst=,ro,...")
	d.list(&g.tmpfs, "tmpfs", "", "mount a tmpfs at `DST[:OPTIONS]`")
	d.bool(&g.readOnly, "read-only", "", false, "make the root file system read-only")
	d.bool(&g.readOnlyTmpfs, "read-only-tmpfs", "", true, "with --read-only, mount tmpfs on /run, /tmp and /var/tmp")
	d.str(&g.shmSize, "shm-size", "", "`SIZE` of /dev/shm, 0 for no limit (default 64m)")
	d.csv(&g.devices, "device", "", "hand in a device, `HOST[:DST][:rwm]`")
}

func (g *mountFlags) fill(c *call) {
	s := c.spec
	each(c, &s.Mounts, "volume", g.volumes, func(v string) (spec.Mount, error) {
		return spec.ParseVolume(v, c.cwd)
	})
	g.noNamedVolumes(c, "volume")
	n := len(s.Mounts)
	each(c, &s.Mounts, "mount", g.mounts, func(v string) (spec.Mount, error) {
		return spec.ParseMount(v, c.cwd)
	})
	if len(s.Mounts) > n {
		g.noNamedVolumes(c, "mount")
	}
	each(c, &s.Mounts, "tmpfs", g.tmpfs, spec.ParseTmpfs)
	each(c, &s.Devices, "device", g.devices, spec.ParseDevice)
	s.Root.ReadOnly, s.Root.ReadOnlyTmpfs = g.readOnly, g.readOnlyTmpfs
	parse(c, &s.Root.ShmSize, "shm-size", g.shmSize, spec.ParseSize)
}

// noNamedVolumes refuses volumes that would have to outlive the container.
func (g *mountFlags) noNamedVolumes(c *call, flag string) {
	for i := range c.spec.Mounts {
		if m := &c.spec.Mounts[i]; m.Type == spec.MountVolume && m.Source != "" {
			c.advise(flag, fmt.Errorf("%s: named volumes are %w", spec.Quote(m.Source), ErrUnsupported),
				fmt.Sprintf("bind a directory: -v ./%s:%s", m.Source, m.Dest))
		}
	}
}
