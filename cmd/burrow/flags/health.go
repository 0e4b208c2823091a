package flags

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
)

// healthFlags override the image's health check.
type healthFlags struct {
	cmd, interval, timeout, startPeriod, startInterval, retries string
	startup                                                     struct{ cmd, interval, timeout, retries, success string }
	onFailure, logTo, logCount, logSize                         string
	off                                                         bool
}

func (g *healthFlags) define(d definer) {
	d = d.in("Health")
	d.bool(&g.off, "no-healthcheck", "", false, "drop the image's health check")
	d.str(&g.cmd, "health-cmd", "", "`COMMAND` that checks the container; none drops the image's")
	d.str(&g.interval, "health-interval", "", "`DURATION` between checks (30s), or disable")
	d.str(&g.timeout, "health-timeout", "", "`DURATION` that a check may take (30s)")
	d.str(&g.retries, "health-retries", "", "`N` failures in a row make the container unhealthy (3)")
	d.str(&g.startPeriod, "health-start-period", "", "`DURATION` in which failures do not count")
	d.str(&g.startInterval, "health-start-interval", "", "`DURATION` between checks in the start period (5s at most)")
	d.str(&g.onFailure, "health-on-failure", "", "`ACTION` when it has become unhealthy: none, kill, restart or stop")
	d.str(&g.startup.cmd, "health-startup-cmd", "", "`COMMAND` that has to succeed before the health check begins")
	d.str(&g.startup.interval, "health-startup-interval", "", "`DURATION` between startup checks (30s), or disable")
	d.str(&g.startup.timeout, "health-startup-timeout", "", "`DURATION` that a startup check may take (30s)")
	d.str(&g.startup.retries, "health-startup-retries", "", "`N` failures restart the container (never)")
	d.str(&g.startup.success, "health-startup-success", "", "`N` successes in a row end the startup (1)")
	d.str(&g.logTo, "health-log-destination", "", "`DIR` that gets a log of checks too, or local")
	d.str(&g.logCount, "health-max-log-count", "", "`N` results are kept (5)")
	d.str(&g.logSize, "health-max-log-size", "", "`N` bytes of a check's output are kept (500)")
}

func (g *healthFlags) fill(c *call) {
	given, startup := c.says(healthNames()), c.says(startupNames())
	h := spec.Healthcheck{Disable: g.off || g.cmd == "none"}
	switch {
	case g.off && (given || startup) && g.cmd != "none":
		c.fail("no-healthcheck", fmt.Errorf("excludes the --health flags: %w", spec.ErrConflict))
	case startup && g.startup.cmd == "":
		c.fail("health-startup-cmd", errors.New("COMMAND is what the other --health-startup flags need"))
	}
	g.fillCheck(c, &h)
	g.fillLog(c, &h)
	if startup {
		h.Startup = &spec.StartupCheck{}
		g.fillStartup(c, h.Startup)
	}
	if h.Disable {
		// What is left is refused if it asks for something.
		h = spec.Healthcheck{Disable: true, Startup: h.Startup, OnFailure: h.OnFailure}
	}
	if given || startup || g.off {
		c.spec.Healthcheck = &h
	}
}

func (g *healthFlags) fillCheck(c *call, h *spec.Healthcheck) {
	parse(c, &h.Test, "health-cmd", g.cmd, spec.ParseHealthCmd)
	parse(c, &h.Interval, "health-interval", g.interval, healthInterval)
	parse(c, &h.Timeout, "health-timeout", g.timeout, spec.ParseHealthDuration)
	parse(c, &h.StartPeriod, "health-start-period", g.startPeriod, spec.ParseHealthDuration)
	parse(c, &h.StartInterval, "health-start-interval", g.startInterval, spec.ParseHealthDuration)
	parse(c, &h.Retries, "health-retries", g.retries, attempts)
	parse(c, &h.OnFailure, "health-on-failure", g.onFailure, spec.ParseHealthAction)
}

func (g *healthFlags) fillStartup(c *call, s *spec.StartupCheck) {
	parse(c, &s.Test, "health-startup-cmd", g.startup.cmd, startupCmd)
	parse(c, &s.Interval, "health-startup-interval", g.startup.interval, healthInterval)
	parse(c, &s.Timeout, "health-startup-timeout", g.startup.timeout, spec.ParseHealthDuration)
	parse(c, &s.Retries, "health-startup-retries", g.startup.retries, attempts)
	parse(c, &s.Successes, "health-startup-success", g.startup.success, attempts)
}

func (g *healthFlags) fillLog(c *call, h *spec.Healthcheck) {
	parse(c, &h.LogDir, "health-log-destination", g.logTo, func(s string) (string, error) { return logDirectory(s, c.cwd) })
	parse(c, &h.MaxLogCount, "health-max-log-count", g.logCount, bounded(spec.MostHealthLogs))
	parse(c, &h.MaxLogSize, "health-max-log-size", g.logSize, bounded(spec.MostHealthLogSize))
}

// says reports whether one of the flags asks for something that is not so anyway.
func (c *call) says(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		switch value := c.fs.Lookup(name).Value.String(); name {
		case "health-on-failure":
			return value != "" && value != "none"
		case "health-log-destination":
			return value != "" && value != "local"
		default:
			return value != ""
		}
	})
}

// healthNames are the flags of the health check, startupNames those of the startup check.
func healthNames() []string {
	return []string{
		"health-cmd", "health-interval", "health-timeout", "health-retries", "health-start-period", "health-start-interval",
		"health-on-failure", "health-log-destination", "health-max-log-count", "health-max-log-size",
	}
}

func startupNames() []string {
	return []string{
		"health-startup-cmd", "health-startup-interval", "health-startup-timeout", "health-startup-retries", "health-startup-success",
	}
}

// healthInterval reads a duration; Podman's "disable" is a check that is never
// due, which is a negative interval.
func healthInterval(s string) (time.Duration, error) {
	if s == "disable" {
		return -1, nil
	}
	return spec.ParseHealthDuration(s)
}

func attempts(s string) (uint, error) {
	n, err := within(s, 1, 1<<16)
	return uint(n), err
}

func startupCmd(s string) ([]string, error) {
	test, err := spec.ParseHealthCmd(s)
	if err == nil && slices.Equal(test, []string{"NONE"}) {
		err = fmt.Errorf("%s: is no command", spec.Quote(s))
	}
	return test, err
}

// bounded reads how much is kept. Podman's 0, which is without a bound, is not for a
// supervisor that shall stay small.
func bounded(most uint64) func(string) (uint, error) {
	return func(s string) (uint, error) {
		n, err := within(s, 1, most)
		if err == nil && n == 0 {
			err = hint.New(fmt.Errorf("%s: a log without a bound is %w", spec.Quote(s), ErrUnsupported), fmt.Sprintf("the most is %d", most))
		}
		return uint(n), err
	}
}

// logDirectory reads --health-log-destination.
func logDirectory(s, cwd string) (string, error) {
	switch s {
	case "local":
		return "", nil
	case "events_logger":
		return "", hint.New(fmt.Errorf("%s is %w: burrow events has each change of the status, not each check", spec.Quote(s), ErrUnsupported),
			"--health-log-destination local, which inspect shows")
	}
	dir, err := spec.AbsPath(s, cwd)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s: is not a directory", spec.Quote(s))
	}
	return dir, err
}
