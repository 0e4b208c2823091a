package health

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// bed is a container with a clock of its own: what its checks say is a script,
// one letter each, the last one for ever: o succeeds, x fails, t takes all of its
// timeout, v is void.
type bed struct {
	script  string
	begun   time.Time
	takes   time.Duration
	at      []time.Duration // when checks began
	args    []string        // of which command
	running bool
	overlap bool
	frozen  atomic.Bool
	status  []string // each change, with its time
	last    State
	saved   int
	acts    []Verdict
}

func (b *bed) Probe(ctx context.Context, c Check) Result {
	b.overlap = b.overlap || b.running
	b.running = true
	defer func() { b.running = false }()
	b.at, b.args = append(b.at, time.Since(b.begun)), append(b.args, c.Args[0])
	r := Result{Start: time.Now()}
	what := b.script[0]
	if len(b.script) > 1 {
		b.script = b.script[1:]
	}
	takes := b.takes
	switch what {
	case 'x':
		r.ExitCode = 1
	case 'v':
		r.ExitCode, r.Void = 1, true
	case 't':
		r.ExitCode, takes = -1, c.Timeout
	}
	select {
	case <-time.After(takes):
	case <-ctx.Done():
	}
	r.End = time.Now()
	return r
}

func (b *bed) Ready() bool { return !b.frozen.Load() }

func (b *bed) Save(s State, changed bool) {
	if b.saved++; changed {
		b.status = append(b.status, fmt.Sprintf("%s@%s", s.Status, time.Since(b.begun)))
	}
	b.last = s
}

func (b *bed) Act(_ context.Context, v Verdict) { b.acts = append(b.acts, v) }

// runs lets a monitor check for some time of the fake clock.
func (b *bed) runs(t *testing.T, c Config, d time.Duration, during ...func(ctx context.Context, m *Monitor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b.begun = time.Now()
		c.Args = []string{"check"}
		m := NewMonitor(c, b.begun, b, b)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { m.Run(ctx); close(done) }()
		for _, f := range during {
			go f(ctx, m)
		}
		time.Sleep(d)
		cancel()
		<-done
		synctest.Wait()
	})
	if b.overlap {
		t.Error("two checks ran at once")
	}
}

func want[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		t.Errorf("%s: %s, want %s", what, g, w)
	}
}

const s = time.Second

func TestDefaults(t *testing.T) {
	b := bed{script: "o", takes: s}
	b.runs(t, Config{}, 95*s)
	want(t, "checks", b.at, []time.Duration{0, 31 * s, 62 * s, 93 * s}) // an interval from the end of the last
	want(t, "changes", b.status, []string{"healthy@1s"})
	d := Config{}.WithDefaults()
	want(t, "defaults", []any{d.Interval, d.Timeout, d.StartPeriod, d.StartInterval, d.Retries, d.MaxLogCount, d.MaxLog},
		[]any{30 * s, 30 * s, 0 * s, 5 * s, 3, 5, 500})
}

func TestRetries(t *testing.T) {
	b := bed{script: "oxxoxxxxo"}
	b.runs(t, Config{Interval: s, Retries: 3}, 8500*time.Millisecond)
	want(t, "changes", b.status, []string{"healthy@0s", "unhealthy@6s", "healthy@8s"})
	want(t, "acts", b.acts, []Verdict{Failing, Failing})
	want(t, "streak", b.last.FailingStreak, 0)
	want(t, "log", len(b.last.Log), 5)
}

// A failure at the very beginning is one too, but not in the start period, which
// ends with the first success.
func TestStartPeriod(t *testing.T) {
	b := bed{script: "x"}
	b.runs(t, Config{Interval: s, Retries: 1}, s/2)
	want(t, "without", b.status, []string{"unhealthy@0s"})

	b = bed{script: "x"}
	b.runs(t, Config{Interval: 2 * s, Retries: 2, StartPeriod: 5 * s}, 9*s)
	want(t, "failing", b.status, []string{"unhealthy@8s"})
	want(t, "checks", b.at, []time.Duration{0, 2 * s, 4 * s, 6 * s, 8 * s})

	b = bed{script: "xox"}
	b.runs(t, Config{Interval: s, Retries: 1, StartPeriod: time.Hour}, 2500*time.Millisecond)
	want(t, "ends early", b.status, []string{"healthy@1s", "unhealthy@2s"})
}

func TestStartInterval(t *testing.T) {
	b := bed{script: "xxo"}
	b.runs(t, Config{Interval: 10 * s, StartPeriod: 20 * s, StartInterval: s}, 25*s)
	want(t, "until healthy", b.at, []time.Duration{0, s, 2 * s, 12 * s, 22 * s})

	b = bed{script: "x"}
	b.runs(t, Config{Interval: 10 * s, StartPeriod: 12 * s}, 28*s)
	want(t, "until its end", b.at, []time.Duration{0, 5 * s, 10 * s, 15 * s, 25 * s})
}

func TestTimeoutIsFailure(t *testing.T) {
	b := bed{script: "ott"}
	b.runs(t, Config{Check: Check{Timeout: 3 * s}, Interval: s, Retries: 2}, 8500*time.Millisecond)
	want(t, "changes", b.status, []string{"healthy@0s", "unhealthy@8s"})
	want(t, "checks", b.at, []time.Duration{0, s, 5 * s})
}

func TestStartup(t *testing.T) {
	start := &Startup{Check: Check{Args: []string{"startup"}}, Interval: 2 * s, Successes: 2, Retries: 4}
	b := bed{script: "xoxooxo"}
	b.runs(t, Config{Interval: 5 * s, Retries: 1, Startup: start}, 14*s)
	// Two successes in a row; then the other check at once.
	want(t, "commands", strings.Join(b.args, " "), "startup startup startup startup startup check check")
	want(t, "times", b.at, []time.Duration{0, 2 * s, 4 * s, 6 * s, 8 * s, 8 * s, 13 * s})
	want(t, "changes", b.status, []string{"unhealthy@8s", "healthy@13s"})

	b = bed{script: "x"}
	b.runs(t, Config{Startup: start}, 7*s)
	want(t, "acts", b.acts, []Verdict{NotReady})
	want(t, "changes", b.status, []string{})
	if b.last.Status != Starting || b.last.FailingStreak != 0 || len(b.last.Log) != 4 {
		t.Errorf("%+v", b.last)
	}
}

func TestNeverDue(t *testing.T) {
	b := bed{script: "o"}
	var a Answer
	b.runs(t, Config{Interval: -1}, 24*time.Hour, func(ctx context.Context, m *Monitor) {
		time.Sleep(time.Hour)
		a, _ = m.Check(ctx)
	})
	want(t, "checks", b.at, []time.Duration{time.Hour})
	if !a.Ready || a.Startup || a.Result.ExitCode != 0 {
		t.Errorf("%+v", a)
	}
}

// Who asks for a check waits for the one that runs, and gets one of his own.
func TestAskedFor(t *testing.T) {
	b := bed{script: "ox", takes: 2 * s}
	var a Answer
	b.runs(t, Config{Interval: 10 * s}, 13*s, func(ctx context.Context, m *Monitor) {
		time.Sleep(s)
		a, _ = m.Check(ctx)
	})
	want(t, "checks", b.at, []time.Duration{0, 2 * s})
	if a.Result.ExitCode != 1 {
		t.Errorf("%+v", a)
	}
}

func TestFrozen(t *testing.T) {
	b := bed{script: "o"}
	b.frozen.Store(true)
	var a Answer
	b.runs(t, Config{Interval: time.Hour}, 22*s, func(ctx context.Context, m *Monitor) {
		a, _ = m.Check(ctx)
		time.Sleep(12 * s)
		b.frozen.Store(false)
	})
	want(t, "checks", b.at, []time.Duration{15 * s})
	if a.Ready {
		t.Error("a frozen container was checked")
	}
	// Frozen while it is checked: the failure is not its own.
	b = bed{script: "ot"}
	b.runs(t, Config{Check: Check{Timeout: 3 * s}, Interval: s, Retries: 1}, 5*s, func(context.Context, *Monitor) {
		time.Sleep(2 * s)
		b.frozen.Store(true)
	})
	want(t, "changes", b.status, []string{"healthy@0s"})
	want(t, "acts", len(b.acts), 0)
}

func TestVoidCountsForNothing(t *testing.T) {
	b := bed{script: "ov"}
	b.runs(t, Config{Interval: s, Retries: 1}, 5*s)
	want(t, "changes", b.status, []string{"healthy@0s"})
	want(t, "saved", b.saved, 2) // the beginning, and the first result
}

// States that have been handed out do not change.
func TestLogIsBounded(t *testing.T) {
	c := Config{MaxLogCount: 3}.WithDefaults()
	var now State
	var all []State
	for i := range 10 {
		now, _ = now.apply(c, time.Time{}, Result{Output: fmt.Sprint(i)})
		all = append(all, now)
	}
	for i, s := range all {
		var got []string
		for _, r := range s.Log {
			got = append(got, r.Output)
		}
		var want []string
		for n := max(0, i-2); n <= i; n++ {
			want = append(want, fmt.Sprint(n))
		}
		if !slices.Equal(got, want) {
			t.Errorf("after %d: %v, want %v", i, got, want)
		}
	}
}
