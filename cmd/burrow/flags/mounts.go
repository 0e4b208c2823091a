package flags

import (
	"github.com/burrow-run/burrow/engine/spec"
)

// mountFlags say what the container sees of file systems and devices.
type mountFlags struct {
	volumes, volumesFrom, secrets, mounts, tmpfs, devices []string
	readOnly, readOnlyTmpfs                               bool
	shmSize                                               string
}

func (g *mountFlags) define(d definer) {
	d = d.in("File systems and devices")
	d.list(&g.volumes, "volume", "v", "mount a directory, a file or a volume, `SRC:DST[:OPTIONS]`; DST alone for a volume of its own")
	d.list(&g.volumesFrom, "volumes-from", "", "share the volumes and binds of `CONTAINER[:ro,z]`")
	d.list(&g.secrets, "secret", "", "give the container a secret, `NAME[,type=mount|env,target=,uid=,gid=,mode=]`")
	d.list(&g.mounts, "mount", "", "mount by `KEY=VALUE,...`: type=bind|volume|tmpfs|artifact|devpts|mqueue,src=,dst=,ro,...")
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
	each(c, &s.Mounts, "mount", g.mounts, func(v string) (spec.Mount, error) {
		return spec.ParseMount(v, c.cwd)
	})
	each(c, &s.VolumesFrom, "volumes-from", g.volumesFrom, spec.ParseVolumesFrom)
	each(c, &s.Secrets, "secret", g.secrets, spec.ParseSecret)
	each(c, &s.Mounts, "tmpfs", g.tmpfs, spec.ParseTmpfs)
	each(c, &s.Devices, "device", g.devices, spec.ParseDevice)
	s.Root.ReadOnly, s.Root.ReadOnlyTmpfs = g.readOnly, g.readOnlyTmpfs
	parse(c, &s.Root.ShmSize, "shm-size", g.shmSize, spec.ParseSize)
}
