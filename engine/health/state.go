package health

import (
	"slices"
	"time"
)

// Status is how a container is.
type Status string

// The statuses of Docker and Podman.
const (
	None      Status = "none" // it has no health check
	Starting  Status = "starting"
	Healthy   Status = "healthy"
	Unhealthy Status = "unhealthy"
)

// Result is how one check has ended. Its fields have Docker's names.
type Result struct {
	Start    time.Time
	End      time.Time
	ExitCode int // of the command; -1: it was killed at its timeout
	Output   string
	// Void: it says nothing about the container, which has ended or was frozen meanwhile.
	Void bool `json:"Void,omitempty"`
}

// State is what is known of a container's health. It is a value: apply makes a
// new one, and shares no log with the old.
type State struct {
	Status        Status
	FailingStreak int
	Log           []Result // oldest first

	Started   bool // the startup check has succeeded
	Successes int  // of the startup check in a row
	Failures  int  // of the startup check
}

// Verdict is what has to be done about a result.
type Verdict int

// The verdicts.
const (
	Fine     Verdict = iota // nothing
	Failing                 // the container is unhealthy: what --health-on-failure says
	NotReady                // its startup has failed too often: it starts over
)

// apply is the state after a result of the check that was due.
func (s State) apply(c Config, started time.Time, r Result) (State, Verdict) {
	if r.Void {
		return s, Fine
	}
	s.Log = append(slices.Clone(s.Log[max(0, len(s.Log)-c.MaxLogCount+1):]), r)
	switch {
	case c.starting(s):
		return s.applyStartup(c.Startup, r)
	case r.ExitCode == 0:
		s.Status, s.FailingStreak = Healthy, 0
		return s, Fine
	case s.Status == Starting && r.Start.Sub(started) < c.StartPeriod:
		return s, Fine
	}
	s.FailingStreak++
	if s.FailingStreak < c.Retries {
		return s, Fine
	}
	s.Status = Unhealthy
	return s, Failing
}

// applyStartup leaves the status as it is, which is starting: whether the container is
// healthy is what the other check finds out.
func (s State) applyStartup(c *Startup, r Result) (State, Verdict) {
	if r.ExitCode == 0 {
		s.Successes++
		s.Started = s.Successes >= c.Successes
		return s, Fine
	}
	s.Successes = 0
	s.Failures++
	if c.Retries > 0 && s.Failures >= c.Retries {
		return s, NotReady
	}
	return s, Fine
}
