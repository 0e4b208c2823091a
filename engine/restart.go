package engine

import (
	"os"
	"path/filepath"
	"time"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/paths"
)

// Backoff between restarts: it doubles, and is forgotten after a good while.
const (
	backoffStart = 100 * time.Millisecond
	backoffMax   = time.Minute
	backoffGood  = 10 * time.Second // a container that ran so long has started well
)

// RestartAfter says whether the container starts again now that it has ended,
// and how long to wait before. A container that was stopped on purpose does not.
func RestartAfter(d paths.Dirs, id string, exit Exit) (again bool, wait time.Duration) {
	dir := filepath.Join(d.Containers(), id)
	hold, err := claim(dir) // the record has one writer
	if err != nil {
		return false, 0 // somebody starts or removes it already
	}
	defer hold.Close()
	rec, err := LoadRecord(dir)
	if err != nil {
		return false, 0
	}
	if rec.stopped() || rec.Running() || rec.Initialized { // the last: it ended before it was started
		return false, 0
	}
	if !exit.Again && !rec.restartsAfter(exit) {
		return false, 0
	}
	if rec.Finished.Sub(rec.Started) > backoffGood {
		rec.Quick = 0
	}
	wait = min(backoffStart<<min(rec.Quick, 20), backoffMax)
	rec.Restarts++
	rec.Quick++
	return saveRecord(dir, rec) == nil, wait
}

// restartsAfter is what --restart says.
func (r Record) restartsAfter(exit Exit) bool {
	switch policy := r.Spec.Restart; policy.Policy {
	case spec.RestartNo:
		return false
	case spec.RestartOnFailure:
		return exit.Code() != 0 && (policy.Max == 0 || r.Restarts < policy.Max)
	case spec.RestartAlways, spec.RestartUnlessStopped:
	}
	return true
}

// Expects says whether a container that has ended is still there and was not
// stopped: whether somebody who waits to start it again should go on to wait.
func Expects(d paths.Dirs, id string) bool {
	rec := Record{dir: filepath.Join(d.Containers(), id)}
	_, err := os.Lstat(filepath.Join(rec.dir, recordFile))
	return err == nil && !rec.stopped()
}
