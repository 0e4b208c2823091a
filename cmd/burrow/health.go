package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/health"
)

// A check is run by a process of its own, so that whoever waits for a container
// stays as small as it is:
//
//	stdin   what to run, one JSON value; its end means that nobody wants to know any more
//	stdout  the Result, one JSON value
const (
	// probePatience is how much longer than its timeout a check may take: it
	// joins the container before, and kills what is left after.
	probePatience = 10 * time.Second
	// lastPatience is how long it may take after nobody wants to know any more.
	lastPatience = 2 * time.Second
	// maxResult bounds what is read of a check.
	maxResult = 1 << 20
)

// probe runs a check and returns how it ended.
func (s *starter) probe(ctx context.Context, c health.Check) health.Result {
	start := time.Now().UTC()
	r, err := s.probeProcess(ctx, c)
	if err != nil {
		return health.Result{Start: start, End: time.Now().UTC(), ExitCode: exitError, Output: err.Error(), Void: ctx.Err() != nil}
	}
	return r
}

func (s *starter) probeProcess(ctx context.Context, c health.Check) (r health.Result, err error) {
	var ends [4]*os.File
	defer func() {
		for _, f := range ends {
			_ = f.Close() // nil ones too
		}
	}()
	if ends[0], ends[1], err = os.Pipe(); err != nil {
		return r, err
	}
	if ends[2], ends[3], err = os.Pipe(); err != nil {
		return r, err
	}
	order, answer := ends[1], ends[2]
	p, err := s.start(ends[0], ends[3])
	if err != nil {
		return r, fmt.Errorf("start check: %w", err)
	}
	defer p.Close()
	ends[0].Close()
	ends[3].Close()
	defer context.AfterFunc(ctx, func() {
		order.Close()
		time.AfterFunc(lastPatience, p.kill)
	})()
	late := time.AfterFunc(c.Timeout+probePatience, p.kill)
	defer late.Stop()
	err = json.NewEncoder(order).Encode(c)
	if err == nil {
		err = json.NewDecoder(io.LimitReader(answer, maxResult)).Decode(&r)
	}
	if err != nil {
		p.kill() // else it ends by itself, which is after its last word
		err = errors.Join(errors.New("check ended without a result"), err)
	}
	return r, errors.Join(err, p.wait())
}

// check is the main program of a check's process.
func check(ctx context.Context, args []string) int {
	// What is to be preserved for a container is not for its checks.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil || len(args) != 1 {
		return exitError
	}
	c, uids, gids, err := whoAmI()
	if err != nil || os.Setenv("GOMAXPROCS", "1") != nil {
		return exitError
	}
	var order health.Check
	in := json.NewDecoder(os.Stdin)
	if err := in.Decode(&order); err != nil {
		return exitError
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	a := &app{in: os.Stdin, out: os.Stdout, err: os.Stderr}
	if err := json.NewEncoder(os.Stdout).Encode(engine.Probe(ctx, args[0], order, a.engineOptions(c, uids, gids))); err != nil {
		return exitError
	}
	return 0
}

func (a *app) healthcheckCommand() *cobra.Command {
	cmd := group("healthcheck", "Check the health of containers")
	var ignore bool
	run := &cobra.Command{
		Use: "run [OPTIONS] CONTAINER", Short: "Run the health check of a container now, and say by exit code how it is",
		Args: exactly(1, "one container"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, uids, gids, err := whoAmI()
			if err != nil {
				return err
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "mounts")
			}
			answer, recorded, err := engine.CheckHealth(cmd.Context(), args[0], a.engineOptions(c, uids, gids))
			if err != nil {
				return err
			}
			if !recorded {
				warn(a.err, args[0]+" has lost its supervisor: this check is not recorded, and no others are run")
			}
			return a.sayHealth(answer, ignore)
		},
	}
	run.Flags().BoolVar(&ignore, "ignore-result", false, "exit with code 0 also if it is not healthy")
	cmd.AddCommand(run)
	return cmd
}

// sayHealth is Podman's way: not a word if all is well.
func (a *app) sayHealth(answer health.Answer, ignore bool) error {
	switch {
	case answer.Result.ExitCode == 0:
		return nil
	case answer.Result.Void:
		fmt.Fprintln(a.out, "stopped")
	case answer.Startup:
		fmt.Fprintln(a.out, health.Starting)
	default:
		fmt.Fprintln(a.out, health.Unhealthy)
	}
	if ignore {
		return nil
	}
	return exitCode(1)
}
