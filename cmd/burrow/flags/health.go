package flags

import (
	"fmt"
	"time"

	"github.com/burrow-run/burrow/engine/spec"
)

// healthFlags override the image's health check.
type healthFlags struct {
	cmd, interval, timeout, startPeriod, retries string
	off                                          bool
}

func (g *healthFlags) define(d definer) {
	d = d.in("Health (recorded)")
	d.bool(&g.off, "no-healthcheck", "", false, "drop the image's health check")
	d.str(&g.cmd, "health-cmd", "", "`COMMAND` that checks the container; none drops the image's")
	d.str(&g.interval, "health-interval", "", "`DURATION` between checks, or disable")
	d.str(&g.timeout, "health-timeout", "", "`DURATION` that a check may take")
	d.str(&g.startPeriod, "health-start-period", "", "`DURATION` in which failures do not count")
	d.str(&g.retries, "health-retries", "", "`N` failures in a row make the container unhealthy")
}

func (g *healthFlags) fill(c *call) {
	var h spec.Healthcheck
	parse(c, &h.Test, "health-cmd", g.cmd, spec.ParseHealthCmd)
	parse(c, &h.Interval, "health-interval", g.interval, healthInterval)
	parse(c, &h.Timeout, "health-timeout", g.timeout, spec.ParseHealthDuration)
	parse(c, &h.StartPeriod, "health-start-period", g.startPeriod, spec.ParseHealthDuration)
	parse(c, &h.Retries, "health-retries", g.retries, func(s string) (uint, error) {
		n, err := within(s, 1, 1<<16)
		return uint(n), err
	})
	given := g.cmd != "" || g.interval != "" || g.timeout != "" || g.startPeriod != "" || g.retries != ""
	h.Disable = g.off || g.cmd == "none"
	if g.off && given && g.cmd != "none" {
		c.fail("no-healthcheck", fmt.Errorf("excludes the --health flags: %w", spec.ErrConflict))
	}
	if h.Disable {
		h = spec.Healthcheck{Disable: true}
	}
	if given || g.off {
		c.spec.Healthcheck = &h
	}
}

// healthInterval reads a duration; Podman's "disable" is a check that is never
// due, which a recorded one expresses as a negative interval.
func healthInterval(s string) (time.Duration, error) {
	if s == "disable" {
		return -1, nil
	}
	return spec.ParseHealthDuration(s)
}
