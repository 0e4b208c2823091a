package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Healthcheck overrides parts of the image's health check; zero fields leave
// the image's value, else the default of package engine/health.
type Healthcheck struct {
	Disable       bool
	Test          []string      // as in the image configuration: "CMD" or "CMD-SHELL" first
	Interval      time.Duration // negative: never due
	Timeout       time.Duration
	StartPeriod   time.Duration
	StartInterval time.Duration
	Retries       uint

	Startup   *StartupCheck // nil: none
	OnFailure HealthAction

	LogDir      string // absolute; where the log is written too, "": nowhere else
	MaxLogCount uint   // results that are kept
	MaxLogSize  uint   // bytes of a check's output that are kept
}

// StartupCheck is what has to succeed before the health check begins.
type StartupCheck struct {
	Test      []string
	Interval  time.Duration // negative: never due
	Timeout   time.Duration
	Retries   uint // failures after which the container is restarted; 0: never
	Successes uint // in a row; 0 is 1
}

// HealthAction is what is done with a container that has become unhealthy.
type HealthAction string

// The actions of Podman.
const (
	HealthNone    HealthAction = ""
	HealthKill    HealthAction = "kill"
	HealthRestart HealthAction = "restart"
	HealthStop    HealthAction = "stop"
)

// The bounds of what is kept of checks: the supervisor holds it in memory.
const (
	MostHealthLogs    = 1000
	MostHealthLogSize = 64 << 10 // bytes
)

// Restarts says that a failing check may start the container again.
func (h *Healthcheck) Restarts() bool {
	return h != nil && !h.Disable && (h.OnFailure == HealthRestart || h.Startup != nil && h.Startup.Retries > 0)
}

// ParseHealthCmd reads the value of --health-cmd into the form that images use:
// a JSON array is executed, anything else given to a shell, "none" disables.
func ParseHealthCmd(value string) ([]string, error) {
	if value == "" {
		return nil, bad(value, "is empty")
	}
	if err := CheckArgs([]string{value}); err != nil {
		return nil, err
	}
	if value == "none" {
		return []string{"NONE"}, nil
	}
	if strings.HasPrefix(value, "[") {
		var words []string
		if err := json.Unmarshal([]byte(value), &words); err == nil && len(words) > 0 {
			return append([]string{"CMD"}, words...), CheckArgs(words)
		}
	}
	return []string{"CMD-SHELL", value}, nil
}

// ParseHealthDuration reads a duration such as 30s.
func ParseHealthDuration(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 || (d > 0 && d < time.Millisecond) {
		return 0, bad(value, "is not a duration such as 30s")
	}
	return d, nil
}

// ParseHealthAction reads --health-on-failure.
func ParseHealthAction(value string) (HealthAction, error) {
	a := HealthAction(value)
	if value == "none" {
		a = HealthNone
	}
	if !slices.Contains([]HealthAction{HealthNone, HealthKill, HealthRestart, HealthStop}, a) {
		return "", bad(value, "is not one of none, kill, restart, stop")
	}
	return a, nil
}

// checkHealth refuses what only one of two can have.
func (s *Spec) checkHealth() error {
	h := s.Healthcheck
	if h == nil {
		return nil
	}
	if h.Disable && (h.Startup != nil || h.OnFailure != HealthNone) {
		return conflict("a health check that is disabled, and flags for it")
	}
	if s.Remove && h.Restarts() {
		return conflict("--rm removes what a failing health check is to restart")
	}
	if len(s.Stdio.PreserveFDs) > 0 && h.Restarts() {
		return conflict("--preserve-fds and a container that is started again: the descriptors are gone by then")
	}
	if h.MaxLogCount > MostHealthLogs || h.MaxLogSize > MostHealthLogSize {
		return fmt.Errorf("health log: at most %d results of %d bytes are kept", MostHealthLogs, MostHealthLogSize)
	}
	for _, test := range [][]string{h.Test, h.startupTest()} {
		if err := CheckArgs(test); err != nil {
			return fmt.Errorf("health check %w", err)
		}
	}
	if h.Startup != nil && len(h.Startup.Test) == 0 {
		return errors.New("startup check without a command")
	}
	return nil
}

func (h *Healthcheck) startupTest() []string {
	if h.Startup == nil {
		return nil
	}
	return h.Startup.Test
}
