package flags

import (
	"fmt"
	"maps"
	"os"
	"strconv"
	"time"

	"github.com/burrow-run/burrow/engine/spec"
)

// containerFlags name the container and bound its life.
type containerFlags struct {
	name, cidfile, pidfile, timeout, stopSignal, stopTimeout, logDriver, restart, sdnotify string
	labels, labelFiles, annotations, logOpts, requires                                     []string
	rm, rmi, replace                                                                       bool
}

func (g *containerFlags) define(d definer) {
	d = d.in("Container")
	d.str(&g.name, "name", "", "`NAME` of the container (default: made up)")
	d.bool(&g.replace, "replace", "", false, "remove the container that has the --name, even if it runs")
	d.csv(&g.requires, "requires", "", "start `CONTAINER` first, and keep it as long as this one exists")
	d.bool(&g.rm, "rm", "", false, "leave nothing of the container when it ends")
	d.bool(&g.rmi, "rmi", "", false, "remove its image too, unless another container has it; implies --rm")
	d.list(&g.labels, "label", "l", "set a label `KEY=VALUE`")
	d.list(&g.labelFiles, "label-file", "", "read labels from `FILE`, one per line")
	d.list(&g.annotations, "annotation", "", "set an annotation `KEY=VALUE`")
	d.str(&g.cidfile, "cidfile", "", "write the container's ID to `FILE`")
	d.str(&g.pidfile, "pidfile", "", "write the host's pid of the container's first process to `FILE`")
	d.str(&g.timeout, "timeout", "", "kill the container after `SECONDS` (default 0: never)")
	d.str(&g.stopSignal, "stop-signal", "", "`SIGNAL` that asks the container to end (default: the image's, else TERM)")
	d.str(&g.stopTimeout, "stop-timeout", "", "`SECONDS` to wait for that before killing (default 10)")
	d.str(&g.logDriver, "log-driver", "", "`WHERE` output goes: k8s-file, json-file, journald, passthrough or none (default: k8s-file when detached, else passthrough)")
	d.list(&g.logOpts, "log-opt", "", "log `OPTION`: max-size=SIZE, max-file=N, path=FILE, tag=TEMPLATE")
	d.str(&g.restart, "restart", "", "`POLICY` when it has ended: no, on-failure[:N], always, unless-stopped (default no)")
	d.str(&g.sdnotify, "sdnotify", "", "`WHO` tells the service manager that the container is ready: container, conmon (Burrow itself), healthy (a health check) or ignore (default container)")
}

func (g *containerFlags) fill(c *call) {
	s := c.spec
	c.checked(&s.Name, "name", g.name, spec.CheckName)
	s.Remove, s.RemoveImage, s.Replace = g.rm || g.rmi, g.rmi, g.replace
	each(c, &s.Requires, "requires", g.requires, plain)
	c.path(&s.CIDFile, "cidfile", g.cidfile)
	c.path(&s.PIDFile, "pidfile", g.pidfile)
	parse(c, &s.Timeout, "timeout", g.timeout, seconds)
	parse(c, &s.Stop.Signal, "stop-signal", g.stopSignal, spec.ParseSignal)
	parse(c, &s.Stop.Timeout, "stop-timeout", g.stopTimeout, seconds)
	parse(c, &s.Log.Driver, "log-driver", g.logDriver, spec.ParseLogDriver)
	for _, raw := range g.logOpts {
		if err := s.Log.SetOption(raw); err != nil {
			c.fail("log-opt", err)
		}
	}
	if l := &s.Log; l.Path != "" {
		c.path(&l.Path, "log-opt", l.Path)
	}
	if l := &s.Log; l.Driver == "" && len(g.logOpts) > 0 && l.Tag == "" {
		l.Driver = spec.LogK8sFile // also in the foreground: these are its options
	}
	parse(c, &s.Restart, "restart", g.restart, spec.ParseRestart)
	parse(c, &s.SDNotify, "sdnotify", g.sdnotify, spec.ParseSDNotify)
	g.fillLabels(c)
}

func (g *containerFlags) fillLabels(c *call) {
	s := c.spec
	s.Labels = map[string]string{}
	for _, path := range g.labelFiles {
		c.open("label-file", path, func(f *os.File) error {
			labels, err := spec.ParseLabelFile(f)
			maps.Copy(s.Labels, labels)
			return err
		})
	}
	pairs(c, s.Labels, "label", g.labels, spec.ParseLabel)
	s.Annotations = map[string]string{}
	pairs(c, s.Annotations, "annotation", g.annotations, spec.ParseAnnotation)
}

// pairs adds what fn makes of every value to m; the last of equal keys wins.
func pairs(c *call, m map[string]string, flag string, values []string, fn func(string) (string, string, error)) {
	for _, raw := range values {
		k, v, err := fn(raw)
		if err != nil {
			c.fail(flag, err)
			return
		}
		m[k] = v
	}
}

// seconds reads a whole number of seconds. The bound is about a century, well
// before time.Duration overflows.
func seconds(s string) (time.Duration, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > 100*366*24*3600 {
		return 0, fmt.Errorf("%s: is not a number of seconds", spec.Quote(s))
	}
	return time.Duration(n) * time.Second, nil
}
