package flags

import (
	"fmt"

	"github.com/burrow-run/burrow/engine/spec"
)

// securityFlags tighten or relax the confinement.
type securityFlags struct {
	options, capAdd, capDrop, ulimits, sysctls []string
	privileged                                 bool
	report                                     string
}

func (g *securityFlags) define(d definer) {
	d = d.in("Confinement")
	d.csv(&g.capAdd, "cap-add", "", "add a `CAPABILITY`, or all")
	d.csv(&g.capDrop, "cap-drop", "", "drop a `CAPABILITY`, or all")
	d.list(&g.options, "security-opt", "",
		"change a layer, `OPTION[=VALUE]`: seccomp, label, landlock, apparmor, no-new-privileges, mask, unmask, nesting, compat32")
	d.bool(&g.privileged, "privileged", "", false, "lift all confinement that is not your own: still no more than you may do yourself")
	d.csv(&g.ulimits, "ulimit", "", "set a resource limit, `NAME=SOFT[:HARD]`")
	d.str(&g.report, "security-report", "", "print what the kernel says of the payload beside what was asked for, as a `FORM`: table, json")
	d.fs.Lookup("security-report").NoOptDefVal = spec.ReportTable
	d.list(&g.sysctls, "sysctl", "", "set a kernel parameter of the container's own namespaces, `KEY=VALUE`")
}

func (g *securityFlags) fill(c *call) {
	s := &c.spec.Security
	each(c, &s.CapAdd, "cap-add", g.capAdd, plain)
	each(c, &s.CapDrop, "cap-drop", g.capDrop, plain)
	each(c, &s.Options, "security-opt", g.options, plain)
	each(c, &s.Ulimits, "ulimit", g.ulimits, plain)
	s.Privileged = g.privileged
	c.checked(&c.spec.SecurityReport, "security-report", g.report, func(form string) error {
		if form != spec.ReportTable && form != spec.ReportJSON {
			return fmt.Errorf("%q: it is table or json", form)
		}
		return nil
	})
	each(c, &s.Sysctls, "sysctl", g.sysctls, plain)
}
