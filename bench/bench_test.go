package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

func fixed(name string, times ...time.Duration) contender {
	n := -1
	return contender{name, func(context.Context) (time.Duration, error) {
		if n++; n >= len(times) {
			return 0, errors.New("no | more\ntime")
		}
		return times[n], nil
	}}
}

func TestRaceLeavesWarmUpOut(t *testing.T) {
	got := race(t.Context(), []contender{fixed("a", 100, 1, 3, 2), fixed("b", 1)}, 1, 3)
	if got[0].err != nil || got[0].median() != 2 {
		t.Errorf("got %+v", got[0])
	}
	if got[1].err == nil || got[1].median() != 0 {
		t.Errorf("a contender that failed has a number: %+v", got[1])
	}
}

func TestRender(t *testing.T) {
	ms := time.Millisecond
	text := render([]row{
		{
			title: "held", budget: "≤ 0.5", limit: 0.5, peer: "p",
			samples: []sample{
				{name: "burrow", times: []time.Duration{10 * ms}},
				{name: "other", times: []time.Duration{ms}},
				{name: "p", times: []time.Duration{40 * ms}},
			},
		},
		{title: "broken", limit: 1, peer: "p", samples: []sample{
			{name: "burrow", times: []time.Duration{30 * ms}},
			{name: "p", times: []time.Duration{20 * ms}},
		}},
		{title: "failed", limit: 1, peer: "p", samples: []sample{
			{name: "burrow", err: errors.New("a|b\nc")},
			{name: "p", times: []time.Duration{20 * ms}},
		}},
		{title: "counted", verdict: "yes", note: "60"},
	})
	for _, want := range []string{
		"| held | 10.0 ms | p 40.0 ms, other 1.0 ms | 0.25 | ≤ 0.5 | yes |\n",
		"| broken | 30.0 ms | p 20.0 ms | 1.50 |  | no |\n",
		"| failed | failed: a/b c | p 20.0 ms |  |  | no |\n",
		"| counted |  | 60 |  |  | yes |\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no line %q in\n%s", want, text)
		}
	}
}

func TestFailureIsTheLastLine(t *testing.T) {
	_, err := timed(t.Context(), "sh", "-c", "echo one >&2; echo two >&2; echo hint: three >&2; exit 3")
	if err == nil || !strings.HasSuffix(err.Error(), "exit status 3: two") {
		t.Errorf("got %v", err)
	}
}

func TestBoard(t *testing.T) {
	g, err := board(t.Context(), "sh", "-c", "echo up; cat")
	if err != nil {
		t.Fatal(err)
	}
	g.leave()
	if _, err := board(t.Context(), "sh", "-c", "echo no >&2; exit 1"); err == nil || !strings.HasSuffix(err.Error(), ": no") {
		t.Errorf("got %v", err)
	}
	if _, err := board(t.Context(), "true"); !errors.Is(err, errSilent) {
		t.Errorf("got %v", err)
	}
}

func TestSetSize(t *testing.T) {
	mine, err := myProcesses()
	if err != nil || mine[os.Getpid()] == "" {
		t.Fatalf("%v %v", mine, err)
	}
	if kib, err := setSize(os.Getpid()); err != nil || kib < 100 {
		t.Errorf("%d KiB, %v", kib, err)
	}
	if kib, err := setSize(1 << 30); err != nil || kib != 0 {
		t.Errorf("%d KiB, %v", kib, err)
	}
}
