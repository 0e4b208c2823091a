package engine

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What was written in place is believed of the start that it is about, and only
// where the record says nothing.
func TestEndingInPlace(t *testing.T) {
	boot, err := bootID()
	if err != nil {
		t.Fatal(err)
	}
	ran := Record{PID: 41, Start: 7, BootID: boot, ExitCode: 3, Finished: time.Unix(1_700_000_000, 0).UTC(), OOMKilled: true}
	for name, tt := range map[string]struct {
		record func(*Record)
		spoil  func(t *testing.T, file string)
		exited bool
		code   int
	}{
		"as written":        {nil, nil, true, 3},
		"machine restarted": {func(r *Record) { r.BootID = "another" }, nil, true, 3},
		"another start":     {func(r *Record) { r.Start = 8 }, nil, false, 0},
		"another process":   {func(r *Record) { r.PID = 42 }, nil, false, 0},
		"recorded":          {func(r *Record) { r.Exited, r.ExitCode = true, 1 }, nil, true, 1},
		"never started":     {func(r *Record) { r.PID = 0 }, nil, false, 0},
		"cut off": {nil, func(t *testing.T, file string) {
			if err := os.Truncate(file, 20); err != nil {
				t.Fatal(err)
			}
		}, false, 0},
		"removed": {nil, func(t *testing.T, file string) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for range 2 { // a second start finds the file there
				if err := makeEnding(dir); err != nil {
					t.Fatal(err)
				}
			}
			if err := saveEnding(dir, ran); err != nil {
				t.Fatal(err)
			}
			if info, err := os.Stat(filepath.Join(dir, endingFile)); err != nil || info.Size() != endingSize {
				t.Fatalf("%v %v: it must not grow", info, err)
			}
			if tt.spoil != nil {
				tt.spoil(t, filepath.Join(dir, endingFile))
			}
			r := Record{PID: ran.PID, Start: ran.Start, BootID: boot, dir: dir}
			if tt.record != nil {
				tt.record(&r)
			}
			got := r.withEnding().afterBoot()
			if got.Exited != tt.exited || got.ExitCode != tt.code {
				t.Errorf("exited %v with %d, want %v with %d", got.Exited, got.ExitCode, tt.exited, tt.code)
			}
			if code := got.ExitCode; code == 3 && (!got.OOMKilled || !got.Finished.Equal(ran.Finished) || !got.unseenEnd()) {
				t.Errorf("%+v", got)
			}
		})
	}
	if err := saveEnding(t.TempDir(), ran); err == nil {
		t.Error("written where no file was made before")
	}
}
