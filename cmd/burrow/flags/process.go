package flags

import (
	"fmt"
	"strconv"

	"github.com/burrow-run/burrow/engine/spec"
)

// keepGroups is the --group-add value that keeps the caller's groups.
const keepGroups = "keep-groups"

// processFlags say what the payload runs as.
type processFlags struct {
	user, workdir, umask, tz, hostname, domainname, initPath string
	passwdEntry, groupEntry, oomScoreAdj, systemd            string
	groups                                                   []string
	init, passwd                                             bool
}

func (g *processFlags) define(d definer) {
	d = d.in("Process")
	d.str(&g.user, "user", "u", "run as `USER[:GROUP]`, names or numbers (default: the image's)")
	d.csv(&g.groups, "group-add", "", "add a supplementary `GROUP`; keep-groups keeps the caller's")
	d.str(&g.workdir, "workdir", "w", "working `DIR` inside the container")
	d.str(&g.domainname, "domainname", "", "NIS domain `NAME` inside the container")
	d.str(&g.hostname, "hostname", "h", "host `NAME` inside the container (default: from the container's ID)")
	d.str(&g.umask, "umask", "", "file mode creation `MASK` (default 0022)")
	d.str(&g.tz, "tz", "", "time `ZONE` inside the container, or local for the host's")
	d.bool(&g.init, "init", "", false, "run a small init that forwards signals and reaps processes")
	d.str(&g.systemd, "systemd", "", "make the container for systemd as its first process: `WHEN` is true (if the command is one), always or false (default true)")
	d.str(&g.initPath, "init-path", "", "`PATH` of the init to use")
	d.bool(&g.passwd, "passwd", "", true, "add the user to the container's passwd and group files if missing")
	d.str(&g.passwdEntry, "passwd-entry", "", "`LINE` to add to the container's passwd file")
	d.str(&g.groupEntry, "group-entry", "", "`LINE` to add to the container's group file")
	d.str(&g.oomScoreAdj, "oom-score-adj", "", "`N` from -1000 to 1000: the higher, the sooner killed when memory runs out")
}

func (g *processFlags) fill(c *call) {
	p := &c.spec.Process
	c.checked(&p.User, "user", g.user, func(s string) error {
		_, _, err := spec.ParseUser(s)
		return err
	})
	for _, raw := range g.groups {
		if raw == keepGroups {
			p.KeepGroups = true
			continue
		}
		each(c, &p.Groups, "group-add", []string{raw}, spec.ParseGroup)
	}
	c.checked(&p.Workdir, "workdir", g.workdir, spec.CheckWorkdir)
	c.checked(&p.Hostname, "hostname", g.hostname, spec.CheckHostname)
	c.checked(&p.Domainname, "domainname", g.domainname, spec.CheckHostname)
	parse(c, &p.Umask, "umask", g.umask, spec.ParseUmask)
	c.checked(&p.Timezone, "tz", g.tz, spec.CheckTimezone)
	p.Init = g.init
	parse(c, &p.Systemd, "systemd", g.systemd, spec.ParseSystemd)
	c.path(&p.InitPath, "init-path", g.initPath)
	p.Passwd = g.passwd
	parse(c, &p.PasswdEntry, "passwd-entry", g.passwdEntry, spec.ParsePasswdEntry)
	parse(c, &p.GroupEntry, "group-entry", g.groupEntry, spec.ParseGroupEntry)
	parse(c, &p.OOMScoreAdj, "oom-score-adj", g.oomScoreAdj, oomScore)
}

func oomScore(s string) (*int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < -1000 || n > 1000 {
		return nil, fmt.Errorf("%s: is not a number from -1000 to 1000", spec.Quote(s))
	}
	return &n, nil
}
