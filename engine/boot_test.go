package engine

import (
	"os"
	"testing"

	"github.com/burrow-run/burrow/engine/spec"
)

// A container that ran when the machine went down has ended, and nobody knows how.
func TestAfterBoot(t *testing.T) {
	d := testDirs(t)
	for _, c := range []struct {
		what   string
		change func(*Record)
		state  string
		code   int
	}{
		{"ran", func(r *Record) { r.BootID = "another" }, "exited", exitUnknown},
		{"had ended", func(r *Record) { r.BootID, r.Exited, r.ExitCode = "another", true, 3 }, "exited", 3},
		{"never started", func(r *Record) { r.BootID, r.PID, r.Waits = "another", 0, true }, "created", 0},
		{"died in this boot", nil, "dead", 0},
	} {
		rec, err := LoadRecord(record(t, d, c.change).dir)
		if err != nil || rec.State() != c.state || rec.ExitCode != c.code || rec.Running() {
			t.Errorf("%s: %s, %d, %v", c.what, rec.State(), rec.ExitCode, err)
		}
	}
}

func TestStartsAtBoot(t *testing.T) {
	d := testDirs(t)
	for _, c := range []struct {
		policy            spec.RestartPolicy
		stopped, tillBoot bool
		again             bool // started and stopped once more since
		want              bool
	}{
		{spec.RestartNo, false, false, false, false},
		{spec.RestartOnFailure, false, false, false, false},
		{spec.RestartAlways, false, false, false, true},
		{spec.RestartAlways, true, false, false, true},
		{spec.RestartUnlessStopped, false, false, false, true},
		{spec.RestartUnlessStopped, true, false, false, false},
		{spec.RestartUnlessStopped, true, true, false, true},
		{spec.RestartUnlessStopped, true, true, true, false},
	} {
		rec := record(t, d, func(r *Record) { r.Spec.Restart.Policy = c.policy })
		if c.stopped {
			must(t, os.WriteFile(rec.stoppedMark(), nil, 0o600))
		}
		if c.tillBoot {
			must(t, os.WriteFile(rec.untilBootMark(), []byte(rec.incarnation()), 0o600))
		}
		if c.again {
			rec.Start++
			must(t, saveRecord(rec.dir, rec))
		}
		if got := rec.StartsAtBoot(); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
		for value, want := range map[string]bool{"true": c.want, "false": !c.want} {
			f, err := NewFilter(d, []string{"should-start-on-boot=" + value, "id=" + rec.ID})
			if err != nil || f.Match(rec) != want {
				t.Errorf("%+v, filter %s: %v", c, value, err)
			}
		}
	}
	for _, bad := range []string{"should-start-on-boot=maybe", "restart-policy=sometimes", "restart-policy=on-failure:3"} {
		if _, err := NewFilter(d, []string{bad}); err == nil {
			t.Errorf("%s is a filter", bad)
		}
	}
}
