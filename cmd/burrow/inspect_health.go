package main

import (
	"cmp"
	"time"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/health"
)

// inspectedHealth is what a container is checked with: Docker's and Podman's names.
type inspectedHealth struct {
	Healthcheck                *inspectedHealthcheck
	StartupHealthCheck         *inspectedStartup `json:",omitempty"`
	HealthcheckOnFailureAction string            `json:",omitempty"`
	HealthLogDestination       string            `json:",omitempty"`
	HealthcheckMaxLogCount     uint              `json:",omitempty"`
	HealthcheckMaxLogSize      uint              `json:",omitempty"` // bytes
}

type inspectedHealthcheck struct {
	Test          []string
	Interval      time.Duration // nanoseconds
	Timeout       time.Duration
	StartPeriod   time.Duration
	StartInterval time.Duration `json:",omitempty"`
	Retries       int
}

type inspectedStartup struct {
	Test      []string
	Interval  time.Duration // nanoseconds
	Timeout   time.Duration
	Retries   uint
	Successes uint
}

func healthOf(r engine.Record) inspectedHealth {
	v := inspectedHealth{Healthcheck: (*inspectedHealthcheck)(r.Metadata.Healthcheck)}
	if r.Health() == nil {
		return v
	}
	full := *v.Healthcheck
	full.Interval, full.Timeout = cmp.Or(full.Interval, health.DefaultInterval), cmp.Or(full.Timeout, health.DefaultTimeout)
	full.Retries = cmp.Or(full.Retries, health.DefaultRetries)
	v.Healthcheck = &full
	v.HealthcheckOnFailureAction, v.HealthLogDestination = "none", "local"
	v.HealthcheckMaxLogCount, v.HealthcheckMaxLogSize = health.DefaultMaxLogCount, health.DefaultMaxLogSize
	h := r.Spec.Healthcheck
	if h == nil {
		return v
	}
	v.StartupHealthCheck = (*inspectedStartup)(h.Startup)
	v.HealthcheckOnFailureAction = orElse(string(h.OnFailure), v.HealthcheckOnFailureAction)
	v.HealthLogDestination = orElse(h.LogDir, v.HealthLogDestination)
	v.HealthcheckMaxLogCount = cmp.Or(h.MaxLogCount, v.HealthcheckMaxLogCount)
	v.HealthcheckMaxLogSize = cmp.Or(h.MaxLogSize, v.HealthcheckMaxLogSize)
	return v
}
