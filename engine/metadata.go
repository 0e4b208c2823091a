package engine

import (
	"cmp"
	"fmt"
	"maps"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
)

// Metadata is what a container says of itself: the image's words, and over
// them those of the command line. None of it changes what is enforced.
type Metadata struct {
	User        string            `json:"user"`
	WorkingDir  string            `json:"working_dir"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	StopSignal  string            `json:"stop_signal"`
	Systemd     bool              `json:"systemd,omitempty"` // it is made for systemd as its first process
	Healthcheck *plan.Healthcheck `json:"healthcheck,omitempty"`
}

func (r *run) metadata() Metadata {
	cfg := r.image.cfg
	return Metadata{
		User:        cmp.Or(r.spec.Process.User, cfg.User),
		WorkingDir:  r.workdir(),
		Labels:      merged(cfg.Labels, r.spec.Labels),
		Annotations: merged(cfg.Annotations, r.spec.Annotations),
		StopSignal:  cmp.Or(signalName(r.spec.Stop.Signal), cfg.StopSignal, "SIGTERM"),
		Systemd:     r.systemd,
		Healthcheck: healthcheck(cfg.Healthcheck, r.spec.Healthcheck),
	}
}

// merged is base with over's values on top; nil if there are none.
func merged(base, over map[string]string) map[string]string {
	if len(base)+len(over) == 0 {
		return nil
	}
	out := maps.Clone(base)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, over)
	return out
}

// signalName is the name as kill(1) takes it, "" for no signal.
func signalName(s syscall.Signal) string {
	const rtmin = 34 // as glibc and musl number them
	if s > rtmin {
		return fmt.Sprintf("SIGRTMIN+%d", s-rtmin)
	}
	if s == rtmin {
		return "SIGRTMIN"
	}
	return unix.SignalName(s)
}

// leastInterval is how often an image can have itself checked: what a check takes of
// the processor is not charged to the container. The command line may ask for more.
const leastInterval = time.Second

// reasonable is an image's health check within bounds.
func reasonable(image *plan.Healthcheck) *plan.Healthcheck {
	if image == nil {
		return nil
	}
	out := *image
	for _, d := range []*time.Duration{&out.Interval, &out.StartInterval} {
		if *d > 0 { // a negative one is never due, as that of a committed container may be
			*d = max(*d, leastInterval)
		}
	}
	out.StartInterval, out.Timeout = max(out.StartInterval, 0), max(out.Timeout, 0)
	out.StartPeriod, out.Retries = max(out.StartPeriod, 0), max(out.Retries, 0)
	return &out
}

// healthcheck is the image's with what the command line says instead.
func healthcheck(image *plan.Healthcheck, over *spec.Healthcheck) *plan.Healthcheck {
	switch image = reasonable(image); {
	case over == nil:
		return image
	case over.Disable:
		return &plan.Healthcheck{Test: []string{"NONE"}}
	}
	out := plan.Healthcheck{}
	if image != nil {
		out = *image
	}
	if len(over.Test) > 0 {
		out.Test = over.Test
	}
	out.Interval = cmp.Or(over.Interval, out.Interval)
	out.Timeout = cmp.Or(over.Timeout, out.Timeout)
	out.StartPeriod = cmp.Or(over.StartPeriod, out.StartPeriod)
	out.StartInterval = cmp.Or(over.StartInterval, out.StartInterval)
	out.Retries = cmp.Or(int(over.Retries), out.Retries)
	return &out
}
