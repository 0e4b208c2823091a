package flags

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/engine/spec"
)

// Update holds the flags of one `update` command line: of what a container was
// made with, that which can be changed.
type Update struct {
	fs      *pflag.FlagSet
	limits  limitFlags
	restart string
}

// AddUpdate defines the flags on fs.
func AddUpdate(fs *pflag.FlagSet) *Update {
	u := &Update{fs: fs}
	fs.SortFlags = false
	d := definer{fs: fs}
	u.limits.define(d)
	d.in("Lifecycle").str(&u.restart, "restart", "", "when to start again: `POLICY` no, on-failure[:N], always or unless-stopped")
	(&healthFlags{}).define(d)
	for _, name := range fixed() {
		fs.Lookup(name).Hidden = true
	}
	return u
}

// UpdateRefusals are the limits of Podman's and Docker's `update` that are not
// carried out.
func UpdateRefusals() []Refusal {
	var out []Refusal
	for _, r := range refusedResources() {
		if slices.Contains([]string{
			"blkio-weight-device", "cpu-rt-period", "cpu-rt-runtime", "device-read-bps", "device-read-iops",
			"device-write-bps", "device-write-iops", "kernel-memory", "memory-swappiness",
		}, r.name) {
			out = append(out, Refusal{r})
		}
	}
	return out
}

// fixed are flags of what a container is made with for good: of the limits those that
// say where and not how much, and its health check.
func fixed() []string {
	return slices.Concat([]string{"cgroup-parent", "cgroups", "no-healthcheck"}, healthNames(), startupNames())
}

// Given says whether there is anything to change.
func (u *Update) Given() bool {
	given := false
	u.fs.Visit(func(f *pflag.Flag) { given = given || len(f.Annotations[groupKey]) > 0 })
	return given
}

// Apply changes what the flags name in a container's Spec.
func (u *Update) Apply(s *spec.Spec) error {
	if !u.Given() {
		return errors.New("nothing to change: give a limit or --restart")
	}
	for _, name := range fixed() {
		if u.fs.Changed(name) {
			return fmt.Errorf("--%s: cannot be changed once a container is made", name)
		}
	}
	// A quota belongs to its period: whoever gives processors gives both.
	if u.fs.Changed("cpu-quota") || u.fs.Changed("cpu-period") || u.fs.Changed("cpus") {
		s.Resources.CPUQuota, s.Resources.CPUPeriod = u.kept(s)
	}
	c := &call{fs: u.fs, spec: s}
	u.limits.fill(c)
	if u.fs.Changed("restart") {
		p, err := spec.ParseRestart(u.restart)
		c.fail("restart", err)
		s.Restart = p
	}
	if c.err != nil {
		return c.err
	}
	return s.Validate()
}

// kept is what stays of quota and period, one of which may not be given.
func (u *Update) kept(s *spec.Spec) (quota int64, period uint64) {
	if !u.fs.Changed("cpus") {
		quota, period = s.Resources.CPUQuota, s.Resources.CPUPeriod
	}
	return quota, period
}
