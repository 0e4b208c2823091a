package health

import (
	"context"
	"time"
)

// Prober runs a check in the container and returns when it has ended, which is
// not long after its timeout, or soon after ctx has.
type Prober interface {
	Probe(ctx context.Context, c Check) Result
}

// Keeper is whoever the container belongs to.
type Keeper interface {
	// Ready says whether the container can be checked: it is not while it is
	// frozen or being stopped.
	Ready() bool
	// Save is called with each new state; changed says that the status is another one.
	Save(s State, changed bool)
	// Act is called when something has to be done; no check is run before it returns.
	Act(ctx context.Context, v Verdict)
}

// Monitor checks one container as long as it runs.
type Monitor struct {
	Config  Config
	Started time.Time // when the container was
	Prober  Prober
	Keeper  Keeper

	requests chan chan<- Answer
}

// Answer is what a check that was asked for has found.
type Answer struct {
	Result  Result
	Startup bool // it was the startup check
	Ready   bool // false: there was none, for the container cannot be checked now
}

// NewMonitor returns a Monitor of a container that was started then.
func NewMonitor(c Config, started time.Time, p Prober, k Keeper) *Monitor {
	return &Monitor{Config: c.WithDefaults(), Started: started, Prober: p, Keeper: k, requests: make(chan chan<- Answer)}
}

// Check has the check that is due run now, or after the one that is running.
func (m *Monitor) Check(ctx context.Context) (Answer, error) {
	answer := make(chan Answer, 1)
	select {
	case m.requests <- answer:
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
}

// notReady is how soon a container is looked at again that cannot be checked
// now, if its interval is longer.
const notReady = 5 * time.Second

// Run checks until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	s := State{Status: Starting, Log: []Result{}}
	m.Keeper.Save(s, false)
	timer := time.NewTimer(0)
	defer timer.Stop()
	if m.Config.next(s, m.Started, time.Now()) == never {
		timer.Stop()
	}
	for {
		var answer chan<- Answer
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case answer = <-m.requests:
		}
		a := Answer{Startup: m.Config.starting(s), Ready: m.Keeper.Ready()}
		wait := notReady
		if a.Ready {
			s, a.Result, wait = m.check(ctx, s)
		}
		if ctx.Err() != nil {
			return
		}
		if answer != nil {
			answer <- a
		}
		if delay := m.Config.next(s, m.Started, time.Now()); delay != never {
			timer.Reset(min(delay, wait))
		} else {
			timer.Stop()
		}
	}
}

// check runs the one that is due. The next may be due at once, else wait is for ever.
func (m *Monitor) check(ctx context.Context, s State) (_ State, _ Result, wait time.Duration) {
	r := m.Prober.Probe(ctx, m.Config.due(s))
	if ctx.Err() != nil {
		return s, r, 0
	}
	if r.ExitCode != 0 && !m.Keeper.Ready() {
		r.Void = true // it is not the container's fault
	}
	after, verdict := s.apply(m.Config, m.Started, r)
	if !r.Void {
		m.Keeper.Save(after, after.Status != s.Status)
	}
	if verdict != Fine {
		m.Keeper.Act(ctx, verdict)
	}
	if after.Started && !s.Started {
		return after, r, 0 // the startup is over: now to the health itself
	}
	return after, r, 1<<63 - 1
}
