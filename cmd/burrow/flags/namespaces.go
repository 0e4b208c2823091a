package flags

import "github.com/burrow-run/burrow/engine/spec"

// namespaceFlags say which namespaces the container shares with whom.
type namespaceFlags struct {
	userns, subUID, subGID  string
	pid, ipc, uts, cgroupns string
	uidMap, gidMap          []string
}

const usernsUsage = "user and group IDs of the container, a `MODE`:\n" +
	"  unique (default)           root is you, all others are sub-IDs of its own\n" +
	"  auto[:size=]               root too is a sub-ID: the strongest\n" +
	"  keep-id[:uid=,gid=,size=]  your ID is you inside too, root is a sub-ID\n" +
	"  single                     everything is you; needs no sub-IDs\n" +
	"  host, nomap                as with Podman\n" +
	"  container:NAME, ns:PATH    share that one"

func (g *namespaceFlags) define(d definer) {
	d = d.in("Namespaces")
	d.str(&g.userns, "userns", "", usernsUsage)
	d.csv(&g.uidMap, "uidmap", "", "map user IDs, `CONTAINER:SUBID:COUNT`")
	d.csv(&g.gidMap, "gidmap", "", "map group IDs, `CONTAINER:SUBID:COUNT`")
	d.str(&g.subUID, "subuidname", "", "map the range of `NAME` in /etc/subuid")
	d.str(&g.subGID, "subgidname", "", "map the range of `NAME` in /etc/subgid")
	const modes = " namespace, a `MODE`: private, host, container:NAME or ns:PATH (default private)"
	d.str(&g.pid, "pid", "", "process"+modes)
	d.str(&g.ipc, "ipc", "", "IPC namespace, a `MODE`: private, shareable, none, host, container:NAME or ns:PATH (default private)")
	d.str(&g.uts, "uts", "", "host name"+modes)
	d.str(&g.cgroupns, "cgroupns", "", "cgroup"+modes)
}

func (g *namespaceFlags) fill(c *call) {
	n := &c.spec.Namespaces
	parse(c, &n.Userns, "userns", g.userns, plain)
	each(c, &n.UIDMap, "uidmap", g.uidMap, plain)
	each(c, &n.GIDMap, "gidmap", g.gidMap, plain)
	c.checked(&n.SubUIDName, "subuidname", g.subUID, checkAccount)
	c.checked(&n.SubGIDName, "subgidname", g.subGID, checkAccount)
	parse(c, &n.PID, "pid", g.pid, spec.ParseNamespace)
	parse(c, &n.IPC, "ipc", g.ipc, spec.ParseIPC)
	parse(c, &n.UTS, "uts", g.uts, spec.ParseNamespace)
	parse(c, &n.Cgroup, "cgroupns", g.cgroupns, spec.ParseNamespace)
}

func checkAccount(s string) error {
	_, err := spec.ParseGroup(s)
	return err
}
