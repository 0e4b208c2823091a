package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/burrow-run/burrow/engine/health"
	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/sys"
)

func TestCheckArgv(t *testing.T) {
	for _, c := range []struct{ test, shell, want []string }{
		{nil, nil, nil},
		{[]string{""}, nil, nil},
		{[]string{"NONE"}, nil, nil},
		{[]string{"NONE", "x"}, nil, nil},
		{[]string{"CMD"}, nil, nil},
		{[]string{"CMD", "a", "b c"}, []string{"zsh"}, []string{"a", "b c"}},
		{[]string{"CMD-SHELL"}, nil, nil},
		{[]string{"CMD-SHELL", "a && b"}, nil, []string{"/bin/sh", "-c", "a && b"}},
		{[]string{"CMD-SHELL", "a", "b"}, []string{"zsh", "-c"}, []string{"zsh", "-c", "a b"}},
		{[]string{"a", "b"}, nil, []string{"a", "b"}},
	} {
		if got := checkArgv(c.test, c.shell); !slices.Equal(got, c.want) {
			t.Errorf("%q %q: %q, want %q", c.test, c.shell, got, c.want)
		}
	}
}

func TestHealthConfig(t *testing.T) {
	if _, ok := healthConfig(nil, nil, nil); ok {
		t.Error("a check out of nothing")
	}
	if _, ok := healthConfig(&plan.Healthcheck{Test: []string{"NONE"}, Retries: 3}, nil, nil); ok {
		t.Error("a check out of NONE")
	}
	image := &plan.Healthcheck{Test: []string{"CMD", "x"}, Interval: time.Second, StartInterval: 2 * time.Second, Retries: 9}
	over := &spec.Healthcheck{
		MaxLogCount: 7, MaxLogSize: 8, Startup: &spec.StartupCheck{Test: []string{"CMD-SHELL", "y"}, Retries: 2, Successes: 3},
	}
	got, ok := healthConfig(image, over, []string{"zsh"})
	want := health.Config{
		Check:    health.Check{Args: []string{"x"}, Timeout: health.DefaultTimeout, MaxLog: 8},
		Interval: time.Second, StartInterval: 2 * time.Second, Retries: 9, MaxLogCount: 7,
		Startup: &health.Startup{
			Check:    health.Check{Args: []string{"/bin/sh", "-c", "y"}, Timeout: health.DefaultTimeout, MaxLog: 8},
			Interval: health.DefaultInterval, Retries: 2, Successes: 3,
		},
	}
	if !ok || asJSON(t, got) != asJSON(t, want) {
		t.Errorf("%s\nwant %s", asJSON(t, got), asJSON(t, want))
	}
}

// An image decides how it is checked, but not that the host does nothing else.
func TestImageHealthIsBounded(t *testing.T) {
	got := healthcheck(&plan.Healthcheck{Interval: 1, StartInterval: -5, Timeout: -1, StartPeriod: -1, Retries: -7}, nil)
	if want := (plan.Healthcheck{Interval: time.Second}); asJSON(t, got) != asJSON(t, want) {
		t.Errorf("%+v", got)
	}
	if got := healthcheck(&plan.Healthcheck{Interval: -1}, nil); got.Interval >= 0 {
		t.Errorf("not only by hand any more: %+v", got)
	}
	got = healthcheck(&plan.Healthcheck{Interval: time.Minute, Retries: 2}, &spec.Healthcheck{Interval: time.Millisecond})
	if got.Interval != time.Millisecond || got.Retries != 2 {
		t.Errorf("the command line's: %+v", got)
	}
}

func TestRecordHealth(t *testing.T) {
	d := testDirs(t)
	if h := record(t, d, nil).Health(); h != nil {
		t.Errorf("without a check: %+v", h)
	}
	live, us := someone(t), ownID(t)
	checked := func(r *Record) {
		r.Metadata.Healthcheck = &plan.Healthcheck{Test: []string{"CMD", "x"}}
		r.Owner, r.PID, r.Start = us, live.PID, live.Start
	}
	write := func(rec Record, start uint64) {
		must(t, saveJSON(rec.dir, healthFile, healthRecord{Start: start, State: health.State{
			Status: health.Unhealthy, FailingStreak: 4, Log: []health.Result{{ExitCode: 3, Output: "no"}},
		}}))
	}
	starting := func(what string, h *Health) {
		t.Helper()
		if h == nil || h.Status != health.Starting || h.FailingStreak != 0 || len(h.Log) != 0 || h.Log == nil {
			t.Errorf("%s: %+v", what, h)
		}
	}
	rec := record(t, d, checked)
	starting("not checked yet", rec.Health())
	write(rec, rec.Start+1)
	starting("of another start", rec.Health())
	must(t, os.WriteFile(filepath.Join(rec.dir, healthFile), []byte(`{"start_time`), 0o600))
	starting("damaged", rec.Health())
	write(rec, rec.Start)
	h := rec.Health()
	if h.Status != health.Unhealthy || h.FailingStreak != 4 || len(h.Log) != 1 || h.Log[0].Output != "no" || h.Unwatched {
		t.Errorf("%+v", h)
	}
	rec = record(t, d, func(r *Record) { checked(r); r.Owner = dead(t) })
	write(rec, rec.Start)
	if h := rec.Health(); h.Status != health.Unhealthy || !h.Unwatched || rec.is(health.Unhealthy) {
		t.Errorf("without its supervisor: %+v", h)
	}
	rec = record(t, d, func(r *Record) { checked(r); r.Exited, r.Owner = true, dead(t) })
	write(rec, rec.Start)
	if h := rec.Health(); h.Status != health.Unhealthy || h.Unwatched {
		t.Errorf("after its end: %+v", h)
	}
}

func ownID(t *testing.T) sys.ProcID {
	t.Helper()
	id, err := sys.ProcIDOf(os.Getpid())
	must(t, err)
	return id
}

func TestHealthRestarts(t *testing.T) {
	d := testDirs(t)
	rec := record(t, d, func(r *Record) { r.Exited = true })
	if again, _ := RestartAfter(d, rec.ID, Exit{}); again {
		t.Error("started again for no reason")
	}
	if again, _ := RestartAfter(d, rec.ID, Exit{Again: true}); !again {
		t.Error("not started again although its health check wants it")
	}
	rec.markStopped()
	if again, _ := RestartAfter(d, rec.ID, Exit{Again: true}); again {
		t.Error("started again although its user has stopped it")
	}
}

func TestAct(t *testing.T) {
	d := testDirs(t)
	for _, c := range []struct {
		action         spec.HealthAction
		verdict        health.Verdict
		lives, marked  bool
		again, started bool
	}{
		{action: spec.HealthNone, verdict: health.Failing, lives: true},
		{action: spec.HealthKill, verdict: health.Failing, marked: true},
		{action: spec.HealthStop, verdict: health.Failing, marked: true},
		{action: spec.HealthRestart, verdict: health.Failing, again: true},
		{action: spec.HealthNone, verdict: health.NotReady, again: true},
		{action: spec.HealthKill, verdict: health.NotReady, again: true},
	} {
		t.Run(fmt.Sprint(c.action, c.verdict), func(t *testing.T) {
			live := someone(t)
			rec := record(t, d, func(r *Record) { r.PID, r.Start, r.Owner = live.PID, live.Start, ownID(t) })
			r := &run{opts: Options{Dirs: d, Warn: func(s string) { t.Error(s) }}, dir: rec.dir}
			r.spec.Healthcheck = &spec.Healthcheck{OnFailure: c.action}
			w := &watched{r: r, rec: rec}
			if !w.Ready() {
				t.Error("a running container cannot be checked")
			}
			go func() { // its parent
				_, _ = syscall.Wait4(live.PID, nil, 0, nil)
			}()
			w.Act(t.Context(), c.verdict)
			waitFor(t, "its end", func() bool { return rec.Running() == c.lives })
			if rec.stopped() != c.marked || w.again != c.again {
				t.Errorf("marked %v, again %v", rec.stopped(), w.again)
			}
			if c.marked == w.Ready() {
				t.Error("one that is being stopped is checked, or another is not")
			}
		})
	}
}

// The log's directory may be the container's as well.
func TestHealthLogFollowsNoLinks(t *testing.T) {
	dir, victim := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	must(t, os.WriteFile(victim, []byte("mine"), 0o600))
	r := &run{id: "0123", spec: spec.Spec{Healthcheck: &spec.Healthcheck{LogDir: dir}}}
	must(t, r.openHealthLog(t.Context()))
	defer r.cleanUp()
	for _, name := range []string{"0123-healthcheck.log", ".0123-healthcheck.log.new"} {
		must(t, os.Symlink(victim, filepath.Join(dir, name)))
	}
	r.healthLog.write(health.State{Status: health.Healthy, Log: []health.Result{{Output: "one"}}})
	if got := readFile(t, victim); got != "mine" {
		t.Errorf("a link was followed: %q", got)
	}
	contains(t, readFile(t, filepath.Join(dir, "0123-healthcheck.log")), `"Status":"healthy"`, `"Output":"one"`)
	// What leads there is looked up once.
	must(t, os.Rename(dir, dir+".moved"))
	must(t, os.Symlink(filepath.Dir(victim), dir))
	r.healthLog.write(health.State{Status: health.Unhealthy})
	contains(t, readFile(t, filepath.Join(dir+".moved", "0123-healthcheck.log")), `"Status":"unhealthy"`)
	if exists(filepath.Join(filepath.Dir(victim), "0123-healthcheck.log")) {
		t.Error("the directory was looked up again")
	}
	r.spec.Healthcheck.LogDir = "/nosuch"
	if err := r.openHealthLog(t.Context()); err == nil {
		t.Error("a directory that is not there")
	}
}

func TestOutputIsBounded(t *testing.T) {
	o, err := newOutput(10)
	must(t, err)
	_, err = o.write.WriteString(strings.Repeat("0123456789abcdef", 100_000)) // more than a pipe holds
	must(t, err)
	if got := o.end(); got != "0123456789" {
		t.Errorf("%q", got)
	}
	// Somebody keeps the pipe: he is not waited for.
	if o, err = newOutput(10); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(o.write.Fd()))
	must(t, err)
	defer syscall.Close(fd)
	_, err = o.write.WriteString("out")
	must(t, err)
	if got := o.end(); got != "out" {
		t.Errorf("%q", got)
	}
}
