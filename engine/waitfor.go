package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/burrow-run/burrow/engine/health"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// Condition is something about a container that can be waited for, by Podman's name.
type Condition string

// conditions are Podman's, with when they hold for a container that exists.
var conditions = map[Condition]func(Record) bool{ //nolint:gochecknoglobals // constant
	"configured":  Record.created,
	"created":     Record.created,
	"initialized": Record.Waiting,
	"running":     func(r Record) bool { return r.State() == "running" },
	"paused":      Record.Paused,
	"stopping":    func(r Record) bool { return r.Running() && r.stopped() },
	"stopped":     nil, // Wait sees them
	"exited":      nil,
	"healthy":     func(r Record) bool { return r.is(health.Healthy) },
	"unhealthy":   func(r Record) bool { return r.is(health.Unhealthy) },
	"removing":    func(Record) bool { return false }, // it holds once the container is gone
}

func (r Record) created() bool { return r.PID == 0 && !r.Exited }

// is says how the container is right now; what was known of one that has ended,
// or that nobody watches any more, is not that.
func (r Record) is(s health.Status) bool {
	h := r.Health()
	return h != nil && h.Status == s && !h.Unwatched && r.Running()
}

// ParseCondition reads --condition.
func ParseCondition(value string) (Condition, error) {
	c := Condition(value)
	if _, ok := conditions[c]; ok {
		return c, nil
	}
	names := make([]string, 0, len(conditions))
	for name := range conditions {
		names = append(names, string(name))
	}
	slices.Sort(names)
	return "", hint.New(fmt.Errorf("%q: no such condition", value), "the conditions are "+strings.Join(names, ", "))
}

// ends says that waiting for it is waiting for an exit code.
func (c Condition) ends() bool { return c == "stopped" || c == "exited" }

func (c Condition) aboutHealth() bool { return c == "healthy" || c == "unhealthy" }

// WaitFor returns when one of the conditions holds, looking at the container each
// interval. The code is the container's exit code, or -1 if what holds is not its end.
func WaitFor(ctx context.Context, d paths.Dirs, ref string, conds []Condition, interval time.Duration) (code int, err error) {
	rec, err := Lookup(d, ref)
	if err != nil {
		return -1, err
	}
	if slices.ContainsFunc(conds, Condition.aboutHealth) && rec.Health() == nil {
		return -1, hint.New(fmt.Errorf("wait for %s: it has %w", rec.Name, ErrNoHealthcheck), "burrow run --health-cmd COMMAND makes a container with one")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		code int
		err  error
	}
	done := make(chan result, 2)
	rest := slices.DeleteFunc(slices.Clone(conds), Condition.ends)
	if len(rest) < len(conds) {
		go func() {
			rec, err := Wait(ctx, d, rec.ID)
			done <- result{rec.ExitCode, err}
		}()
	}
	if len(rest) > 0 {
		go func() { done <- result{-1, rec.poll(ctx, d, rest, interval)} }()
	}
	r := <-done
	if errors.Is(r.err, ErrNotRunning) && 0 < len(rest) && len(rest) < len(conds) {
		r = <-done // that it has ended is what the other one waits for
	}
	if r.err != nil {
		r.code = -1
	}
	return r.code, r.err
}

// poll looks at the container until one of the conditions holds.
func (r Record) poll(ctx context.Context, d paths.Dirs, conds []Condition, interval time.Duration) error {
	for {
		if slices.ContainsFunc(conds, func(c Condition) bool { return conditions[c](r) }) {
			return nil
		}
		if slices.ContainsFunc(conds, Condition.aboutHealth) {
			if err := r.hopeless(); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(interval):
		}
		now, err := Lookup(d, r.ID)
		if errors.Is(err, ErrNoContainer) && slices.Contains(conds, "removing") {
			return nil
		}
		if err != nil {
			return err
		}
		r = now
	}
}

// hopeless says why the health of a container will not change any more. One that
// is about to start again is not hopeless.
func (r Record) hopeless() error {
	switch alive := r.Owner.Alive(); {
	case r.created() || alive:
		return nil
	case r.Running():
		return fmt.Errorf("wait for %s: nobody checks its health any more: its supervisor was killed", r.Name)
	}
	return fmt.Errorf("wait for %s: it has ended: %w", r.Name, ErrNotRunning)
}
