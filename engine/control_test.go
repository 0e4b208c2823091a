package engine

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/sys"
)

// payload is a record of a container whose process is a shell script.
func payload(t *testing.T, d paths.Dirs, script string, change func(*Record)) Record {
	t.Helper()
	trap := "true"
	if strings.HasPrefix(script, "trap ") {
		trap, script, _ = strings.Cut(script, "; ")
	}
	cmd := exec.Command("/bin/sh", "-c", trap+"; echo ready; "+script)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	_, err = out.Read(make([]byte, 6))
	must(t, err)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	p, err := sys.ProcIDOf(cmd.Process.Pid)
	must(t, err)
	return record(t, d, func(r *Record) {
		r.PID, r.Start = p.PID, p.Start
		if change != nil {
			change(r)
		}
	})
}

func TestStop(t *testing.T) {
	const obeys, deaf = "while :; do sleep 0.01; done", "trap '' TERM USR1; while :; do sleep 0.01; done"
	for name, c := range map[string]struct {
		script  string
		change  func(r *Record)
		timeout time.Duration
		most    time.Duration
	}{
		"obeys":          {obeys, nil, 10 * time.Second, 5 * time.Second},
		"must be killed": {deaf, nil, 30 * time.Millisecond, 5 * time.Second},
		"own signal":     {"trap '' TERM; " + obeys, func(r *Record) { r.Spec.Stop.Signal = syscall.SIGUSR1 }, 10 * time.Second, 5 * time.Second},
		"image's signal": {"trap '' TERM; " + obeys, func(r *Record) { r.StopSignal = "SIGUSR1" }, 10 * time.Second, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			d := testDirs(t)
			rec := payload(t, d, c.script, c.change)
			begin := time.Now()
			got, err := Stop(t.Context(), d, rec.Name, c.timeout)
			if took := time.Since(begin); err != nil || took > c.most {
				t.Errorf("%v after %s", err, took)
			}
			if rec.Running() || !rec.stopped() {
				t.Error("runs still, or may start again")
			}
			// Its supervisor is gone: nobody has seen the status.
			if !got.Exited || got.ExitCode != exitUnknown || got.Error == "" {
				t.Errorf("%+v", got)
			}
		})
	}
	d := testDirs(t)
	rec := record(t, d, nil)
	if got, err := Stop(t.Context(), d, rec.Name, 0); err != nil || got.ID != rec.ID || rec.stopped() {
		t.Errorf("one that does not run: %v", err)
	}
	if _, err := Stop(t.Context(), d, "nosuch", 0); !errors.Is(err, ErrNoContainer) {
		t.Error(err)
	}
	// One that has ended and is about to start again must not.
	waiting := record(t, d, func(r *Record) { r.Exited, r.Owner = true, someone(t) })
	if _, err := Stop(t.Context(), d, waiting.Name, 0); err != nil || !waiting.stopped() {
		t.Errorf("waits to restart: %v, stopped %v", err, waiting.stopped())
	}
	if again, _ := RestartAfter(d, waiting.ID, Exit{Status: 1 << 8}); again {
		t.Error("starts again")
	}
}

// One that is about to run is stopped when it does: a stop that has returned is
// not followed by a container that runs.
func TestStopOneThatStarts(t *testing.T) {
	d := testDirs(t)
	owner := someone(t)
	rec := record(t, d, func(r *Record) { r.PID, r.Start, r.Owner = 0, 0, owner })
	hold, err := claim(rec.dir)
	must(t, err)
	runs := payload(t, d, "while :; do sleep 0.01; done", nil)
	go func() {
		waitFor(t, "the stop", func() bool { return rec.stopped() })
		must(t, os.Remove(rec.stoppedMark())) // as a start does that comes first
		now := rec
		now.PID, now.Start = runs.PID, runs.Start
		must(t, saveRecord(rec.dir, now))
		for now.Running() {
			time.Sleep(time.Millisecond)
		}
		now.Exited, now.ExitCode = true, 143
		must(t, saveRecord(rec.dir, now))
		hold.Close()
	}()
	got, err := Stop(t.Context(), d, rec.ID, time.Minute)
	if err != nil || !got.Exited || got.ExitCode != 143 || runs.Running() {
		t.Errorf("exited %v with %d, %v, runs: %v", got.Exited, got.ExitCode, err, runs.Running())
	}

	// A start that takes longer than the container has time to end is ended.
	owner = someone(t)
	rec = record(t, d, func(r *Record) { r.PID, r.Start, r.Owner = 0, 0, owner })
	hold, err = claim(rec.dir)
	must(t, err)
	go func() {
		for owner.Alive() {
			time.Sleep(time.Millisecond)
		}
		hold.Close()
	}()
	if _, err := Stop(t.Context(), d, rec.ID, 20*time.Millisecond); err != nil || owner.Alive() {
		t.Errorf("%v, the start goes on: %v", err, owner.Alive())
	}

	// Whoever made it has let go of it for its supervisor, which has not yet begun.
	handing := record(t, d, func(r *Record) { r.PID, r.Start, r.Owner = 0, 0, someone(t) })
	runs = payload(t, d, "while :; do sleep 0.01; done", nil)
	go func() {
		waitFor(t, "the stop", func() bool { return handing.stopped() })
		now := handing
		now.PID, now.Start, now.Owner = runs.PID, runs.Start, dead(t)
		must(t, saveRecord(handing.dir, now))
	}()
	if got, err := Stop(t.Context(), d, handing.ID, time.Minute); err != nil || !got.Exited || runs.Running() {
		t.Errorf("%+v %v, runs: %v", got.Exited, err, runs.Running())
	}

	// Somebody who has claimed it for something else is not disturbed.
	rec = record(t, d, nil)
	hold, err = claim(rec.dir)
	must(t, err)
	defer hold.Close()
	if got, err := Stop(t.Context(), d, rec.ID, 0); err != nil || got.Running() || rec.stopped() {
		t.Errorf("%+v %v", got, err)
	}
}

// Nobody writes a record that somebody else is writing.
func TestSettleLeavesWhatIsClaimed(t *testing.T) {
	d := testDirs(t)
	rec := record(t, d, nil)
	hold, err := claim(rec.dir)
	must(t, err)
	go func() {
		time.Sleep(30 * time.Millisecond)
		now := rec
		now.Start++ // started again
		must(t, saveRecord(rec.dir, now))
		hold.Close()
	}()
	got, err := Settle(t.Context(), d, rec)
	if err != nil || got.Exited {
		t.Errorf("%+v %v", got, err)
	}
	if now, err := LoadRecord(rec.dir); err != nil || now.Exited || now.Start != rec.Start+1 {
		t.Errorf("%+v %v", now, err)
	}
}

func TestStopSignal(t *testing.T) {
	for image, want := range map[string]syscall.Signal{"": syscall.SIGTERM, "SIGRTMIN+3": 37, "quit": syscall.SIGQUIT, "9": 9, "x": syscall.SIGTERM} {
		if got := (Record{StopSignal: image}).stopSignal(); got != want {
			t.Errorf("%q: %d", image, got)
		}
	}
}

func TestSignal(t *testing.T) {
	d := testDirs(t)
	marker := t.TempDir() + "/got"
	rec := payload(t, d, "trap 'touch "+marker+"' USR2; while :; do sleep 0.01; done", nil)
	if _, err := Signal(d, rec.Name, syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the signal", func() bool { return exists(marker) })
	_, err := Signal(d, record(t, d, nil).Name, syscall.SIGKILL)
	if !errors.Is(err, ErrNotRunning) || hint.Of(err) == "" {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
	// A pid that was used again belongs to somebody else.
	p := someone(t)
	again := record(t, d, func(r *Record) { r.PID, r.Start = p.PID, p.Start+1 })
	if _, err := Signal(d, again.Name, syscall.SIGKILL); !errors.Is(err, ErrNotRunning) || !p.Alive() {
		t.Errorf("%v; the stranger lives: %v", err, p.Alive())
	}
	if _, err := Signal(d, "nosuch", syscall.SIGKILL); !errors.Is(err, ErrNoContainer) {
		t.Error(err)
	}
}

func TestWaitAndSettle(t *testing.T) {
	d := testDirs(t)
	rec := payload(t, d, "sleep 0.1", func(r *Record) { r.Owner = someone(t) })
	go func() { // its supervisor
		for rec.Running() {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(20 * time.Millisecond)
		end := rec
		end.Exited, end.ExitCode = true, 9
		_ = saveRecord(rec.dir, end)
	}()
	got, err := Wait(t.Context(), d, rec.Name)
	if err != nil || got.ExitCode != 9 {
		t.Errorf("%+v %v", got, err)
	}
	for name, rec := range map[string]Record{
		"never started": record(t, d, func(r *Record) { r.PID, r.Start = 0, 0 }),
		"ended":         record(t, d, func(r *Record) { r.Exited = true }),
	} {
		if got, err := Wait(t.Context(), d, rec.ID); err != nil || got.ID != rec.ID {
			t.Errorf("%s: %v", name, err)
		}
	}
	removed := record(t, d, nil)
	must(t, os.RemoveAll(removed.dir))
	if got, err := Settle(t.Context(), d, removed); err != nil || !got.Exited {
		t.Errorf("%+v %v", got, err)
	}
	ctx, cancel := contextDone(t)
	cancel()
	if _, err := Wait(ctx, d, payload(t, d, "sleep 100", nil).ID); !errors.Is(err, ctx.Err()) {
		t.Errorf("%v", err)
	}
	if _, err := Settle(ctx, d, record(t, d, func(r *Record) { r.Owner = someone(t) })); !errors.Is(err, ctx.Err()) {
		t.Errorf("%v", err)
	}
	if _, err := Wait(ctx, d, "nosuch"); !errors.Is(err, ErrNoContainer) {
		t.Error(err)
	}
}

func TestRestartAfter(t *testing.T) {
	now := time.Now()
	failed, ok := Exit{Status: 1 << 8}, Exit{}
	for name, c := range map[string]struct {
		policy spec.Restart
		exit   Exit
		change func(*Record)
		again  bool
		wait   time.Duration
	}{
		"never":             {spec.Restart{}, failed, nil, false, 0},
		"always":            {spec.Restart{Policy: spec.RestartAlways}, ok, nil, true, backoffStart},
		"unless stopped":    {spec.Restart{Policy: spec.RestartUnlessStopped}, failed, nil, true, backoffStart},
		"failure, ok":       {spec.Restart{Policy: spec.RestartOnFailure}, ok, nil, false, 0},
		"failure":           {spec.Restart{Policy: spec.RestartOnFailure}, failed, nil, true, backoffStart},
		"failures, one":     {spec.Restart{Policy: spec.RestartOnFailure, Max: 2}, failed, func(r *Record) { r.Restarts = 1 }, true, backoffStart},
		"failures, enough":  {spec.Restart{Policy: spec.RestartOnFailure, Max: 2}, failed, func(r *Record) { r.Restarts = 2 }, false, 0},
		"third in a row":    {spec.Restart{Policy: spec.RestartAlways}, ok, func(r *Record) { r.Quick = 2 }, true, 4 * backoffStart},
		"hundredth":         {spec.Restart{Policy: spec.RestartAlways}, ok, func(r *Record) { r.Quick = 99 }, true, backoffMax},
		"after a long time": {spec.Restart{Policy: spec.RestartAlways}, ok, func(r *Record) { r.Quick, r.Started, r.Finished = 9, now, now.Add(time.Hour) }, true, backoffStart},
	} {
		d := testDirs(t)
		rec := record(t, d, func(r *Record) {
			r.Spec.Restart = c.policy
			if c.change != nil {
				c.change(r)
			}
		})
		again, wait := RestartAfter(d, rec.ID, c.exit)
		if again != c.again || wait != c.wait {
			t.Errorf("%s: %v after %s", name, again, wait)
		}
		if got, err := LoadRecord(rec.dir); err != nil || c.again != (got.Restarts == rec.Restarts+1) {
			t.Errorf("%s: %d restarts, %v", name, got.Restarts, err)
		}
	}
	if again, _ := RestartAfter(testDirs(t), newID(), failed); again {
		t.Error("restarts what was removed")
	}
}
