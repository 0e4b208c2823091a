package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// contender is one program in a row.
type contender struct {
	name string
	// once does the job one time and says how long it took.
	once func(context.Context) (time.Duration, error)
}

// sample is what a contender reached.
type sample struct {
	name  string
	times []time.Duration
	err   error
}

func (s sample) median() time.Duration {
	if len(s.times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s.times))
	return sorted[len(sorted)/2]
}

// race lets the contenders take turns. One that fails is out.
func race(ctx context.Context, list []contender, warm, rounds int) []sample {
	out := make([]sample, len(list))
	for i, c := range list {
		out[i].name = c.name
	}
	for round := range warm + rounds {
		for i, c := range list {
			if out[i].err != nil {
				continue
			}
			took, err := c.once(ctx)
			if err != nil {
				out[i].err = err
				out[i].times = nil
				continue
			}
			if round >= warm {
				out[i].times = append(out[i].times, took)
			}
		}
	}
	return out
}

// command is a contender that runs to its end.
func command(name string, argv ...string) contender {
	return contender{name, func(ctx context.Context) (time.Duration, error) {
		return timed(ctx, argv...)
	}}
}

// fresh is a contender whose command line differs each time.
func fresh(name string, argv func(n int) []string) contender {
	n := 0
	return contender{name, func(ctx context.Context) (time.Duration, error) {
		n++
		return timed(ctx, argv(n)...)
	}}
}

// prepared is a contender with unmeasured work before each run.
func prepared(c contender, before ...string) contender {
	return contender{c.name, func(ctx context.Context) (time.Duration, error) {
		// The work before is to remove what may not be there: it may fail.
		_, _ = timed(ctx, before...)
		// What the one before wrote must not slow the next one down.
		unix.Sync()
		return c.once(ctx)
	}}
}

func timed(ctx context.Context, argv ...string) (time.Duration, error) {
	took, _, err := ran(ctx, argv...)
	return took, err
}

// ran also says what the program and those that it waited for have used.
func ran(ctx context.Context, argv ...string) (time.Duration, *os.ProcessState, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if err != nil {
		return 0, nil, failure(argv, err, stderr.String())
	}
	return took, cmd.ProcessState, nil
}

// failure keeps the last line that the program said, advice left out.
func failure(argv []string, err error, stderr string) error {
	said := ""
	for line := range strings.Lines(stderr) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "hint:") {
			said = line
		}
	}
	if r := []rune(said); len(r) > 120 {
		said = string(r[:120]) + "…"
	}
	if said == "" {
		return fmt.Errorf("%s: %w", argv[0], err)
	}
	return fmt.Errorf("%s: %w: %s", argv[0], err, said)
}

// crowd starts n of a command at once and waits for all: the wall time, and
// how many failed.
func crowd(ctx context.Context, n int, argv func(i int) []string) (time.Duration, int, error) {
	type result struct{ err error }
	results := make(chan result, n)
	start := time.Now()
	for i := range n {
		go func() {
			_, err := timed(ctx, argv(i)...)
			results <- result{err}
		}()
	}
	failed := 0
	var first error
	for range n {
		if r := <-results; r.err != nil {
			failed++
			if first == nil {
				first = r.err
			}
		}
	}
	return time.Since(start), failed, first
}

// guest is a container that is up: it has said "up" and waits for its standard
// input to end.
type guest struct {
	cmd   *exec.Cmd
	stdin interface{ Close() error }
	took  time.Duration
}

var errSilent = errors.New("ended before it said anything")

// board starts a container whose payload is `sh -c 'echo up; cat'` and returns
// when it has spoken.
func board(ctx context.Context, argv ...string) (*guest, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	word := make([]byte, 2)
	if _, err := out.Read(word); err != nil {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			return nil, failure(argv, err, stderr.String())
		}
		return nil, errSilent
	}
	return &guest{cmd: cmd, stdin: in, took: time.Since(start)}, nil
}

func (g *guest) leave() {
	_ = g.stdin.Close()
	_ = g.cmd.Wait()
}
