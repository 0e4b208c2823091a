package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Rows about containers that live on in the background.

// engines are those that have such containers.
func (s setup) engines() []string { return []string{s.burrow, "podman"} }

// label is what an engine is called in the table.
func (s setup) label(engine string) string {
	if engine == s.burrow {
		return "burrow"
	}
	return engine
}

// name is that of a container of this run.
func name(what string, i int) string { return fmt.Sprintf("bench-%s-%d-%d", what, os.Getpid(), i) }

// launch starts a container that sleeps.
func (s setup) launch(engine, name string, flags ...string) []string {
	return append(append([]string{engine, "run", "-d", "--name", name}, flags...), s.small, "sleep", "1000000")
}

// kill is the command that removes containers without waiting for them: podman would
// give them ten seconds.
func kill(engine string) []string {
	if engine == "podman" {
		return []string{engine, "rm", "-f", "-t", "0"}
	}
	return []string{engine, "rm", "-f"}
}

// discard removes containers, whether they are there or not.
func discard(ctx context.Context, engine string, names ...string) {
	for begin := 0; begin < len(names); begin += 100 {
		part := names[begin:min(begin+100, len(names))]
		_, _ = timed(ctx, append(kill(engine), part...)...)
	}
}

func execRow(ctx context.Context, s setup) row {
	r := row{budget: "≤ 0.30 × podman", limit: 0.30, peer: "podman"}
	ctr := name("exec", 0)
	var list []contender
	for _, e := range s.engines() {
		defer discard(context.WithoutCancel(ctx), e, ctr)
		if _, err := timed(ctx, s.launch(e, ctr, "--network=none")...); err != nil {
			r.samples = append(r.samples, sample{name: s.label(e), err: err})
			continue
		}
		list = append(list, command(s.label(e), e, "exec", ctr, "true"))
	}
	r.samples = append(r.samples, race(ctx, list, 3, s.rounds)...)
	return r
}

func lifeRow(ctx context.Context, s setup) row {
	r := row{budget: "", peer: "podman", limit: 1, note: "no budget: not slower"}
	var list []contender
	for _, e := range s.engines() {
		n := 0
		list = append(list, contender{s.label(e), func(ctx context.Context) (time.Duration, error) {
			n++
			ctr := name("life", n)
			begin := time.Now()
			if _, err := timed(ctx, s.launch(e, ctr, "--network=none")...); err != nil {
				return 0, err
			}
			_, err := timed(ctx, append(kill(e), ctr)...)
			return time.Since(begin), err
		}})
	}
	r.samples = race(ctx, list, 3, s.rounds)
	return r
}

func listRow(ctx context.Context, s setup) row {
	r := row{budget: "≤ 0.10 × podman, ≤ 30 ms", limit: 0.10, peer: "podman", note: strconv.Itoa(s.many) + " containers"}
	all := make([]string, s.many)
	for i := range all {
		all[i] = name("ps", i)
	}
	var list []contender
	for _, e := range s.engines() {
		defer discard(context.WithoutCancel(ctx), e, all...)
		var err error
		for i := 0; i < len(all) && err == nil; i++ {
			_, err = timed(ctx, e, "create", "--name", all[i], "--network=none", s.small, "true")
		}
		if err != nil {
			r.samples = append(r.samples, sample{name: s.label(e), err: err})
			continue
		}
		list = append(list, command(s.label(e), e, "ps", "-a"))
	}
	r.samples = append(r.samples, race(ctx, list, 3, s.rounds)...)
	r.verdict = "no"
	if ours, theirs := medianOf(r.samples, "burrow"), medianOf(r.samples, "podman"); ours > 0 && theirs > 0 {
		r.verdict = yes(float64(ours) <= r.limit*float64(theirs) && ours <= 30*time.Millisecond)
	}
	return r
}

func medianOf(samples []sample, name string) time.Duration {
	for _, s := range samples {
		if s.name == name {
			return s.median()
		}
	}
	return 0
}

// settleTime is how long containers are left alone before their engine's memory is
// looked at: longer than any of them takes to come to rest.
const settleTime = 10 * time.Second

// memoryRow compares what an idle container costs besides its payload.
func memoryRow(ctx context.Context, s setup) row {
	r := row{budget: "≤ 0.6 × podman", verdict: "no"}
	share := map[string]float64{}
	for _, e := range s.engines() {
		kib, err := s.engineShare(ctx, e)
		if err != nil {
			r.note = fmt.Sprintf("%s failed: %v", s.label(e), err)
			return r
		}
		share[s.label(e)] = kib / 1024
	}
	ours, theirs := share["burrow"], share["podman"]
	r.note = fmt.Sprintf("burrow **%.2f MB**, podman **%.2f MB**, %.2f ×", ours, theirs, ours/theirs)
	r.verdict = yes(ours <= 0.6*theirs)
	return r
}

// fleet is how many containers memory is measured over, and firstPort the first of
// the ports that they publish.
const (
	fleet     = 20
	firstPort = 28600
)

// engineShare starts containers and returns the proportional set size in KiB, per
// container, of all processes that there are since, but for the payloads.
func (s setup) engineShare(ctx context.Context, engine string) (kib float64, err error) {
	before, err := myProcesses()
	if err != nil {
		return 0, err
	}
	var all []string
	defer func() { discard(context.WithoutCancel(ctx), engine, all...) }()
	for i := range fleet {
		all = append(all, name("idle", i))
		port := fmt.Sprintf("127.0.0.1:%d:80", firstPort+i)
		if _, err := timed(ctx, s.launch(engine, all[i], "--network=slirp4netns", "-p", port)...); err != nil {
			return 0, err
		}
	}
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(settleTime):
	}
	after, err := myProcesses()
	if err != nil {
		return 0, err
	}
	payloads := 0
	for pid, comm := range after {
		switch {
		case before[pid] != "":
		case comm == "sleep":
			payloads++
		default:
			pss, err := setSize(pid)
			if err != nil {
				return 0, err
			}
			kib += float64(pss)
		}
	}
	if payloads != fleet {
		return 0, errors.New("not all containers run")
	}
	return kib / fleet, nil
}
