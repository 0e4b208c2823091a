package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/burrow-run/burrow/engine/health"
	"github.com/burrow-run/burrow/internal/sys"
)

// healthFile is in a container's directory. Its single writer is the process that
// checks the container; it is replaced by rename and read without a lock. It is not
// part of the record because it changes with each check.
const healthFile = "health.json"

type healthRecord struct {
	Start uint64       `json:"start_time"` // of the container's first process: it says nothing about others
	State health.State `json:"state"`
}

// Health is how a container is. Its fields have Docker's names.
type Health struct {
	Status        health.Status
	FailingStreak int
	Log           []health.Result // oldest first
	// Unwatched: it runs, and nobody checks it any more, for its supervisor was
	// killed; the rest is what was known then.
	Unwatched bool `json:"Unwatched,omitempty"`
}

// Health is what is known of the container's health; nil without a health check. Of one
// that does not run it is the last that was known.
func (r Record) Health() *Health {
	if h := r.Metadata.Healthcheck; h == nil || len(checkArgv(h.Test, nil)) == 0 {
		return nil
	}
	out := &Health{Status: health.Starting, Log: []health.Result{}}
	var file healthRecord
	b, err := sys.ReadFile(filepath.Join(r.dir, healthFile))
	if err == nil {
		err = json.Unmarshal(b, &file)
	}
	if err == nil && file.Start == r.Start && r.PID != 0 {
		out.Status, out.FailingStreak, out.Log = file.State.Status, file.State.FailingStreak, file.State.Log
	}
	out.Unwatched = r.Running() && !r.Owner.Alive()
	return out
}

// healthLog is the log that --health-log-destination asks for, in Podman's format.
// The directory is opened once, before the container runs: it may be one that is
// mounted into it.
type healthLog struct {
	dir  *os.Root
	name string
}

func (r *run) openHealthLog(context.Context) error {
	h := r.spec.Healthcheck
	if h == nil || h.LogDir == "" {
		return nil
	}
	root, err := os.OpenRoot(h.LogDir)
	if err != nil {
		return fmt.Errorf("health log: %w", err)
	}
	r.later(func() { root.Close() })
	r.healthLog = &healthLog{root, r.id + "-healthcheck.log"}
	return nil
}

// write replaces the file. A full disk must not end the checks.
func (l *healthLog) write(s health.State) {
	if l == nil {
		return
	}
	b, err := json.Marshal(healthLogFile(s))
	if err != nil {
		return
	}
	tmp := "." + l.name + ".new"
	_ = l.dir.Remove(tmp)
	// Exclusive, for whoever can write there could have put a link.
	f, err := l.dir.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return
	}
	_, err = f.Write(append(b, '\n'))
	if f.Close() == nil && err == nil {
		err = l.dir.Rename(tmp, l.name)
	}
	if err != nil {
		_ = l.dir.Remove(tmp)
	}
}

// podmanLog is the content of Podman's file.
type podmanLog struct {
	Status        string           `json:"Status"`
	FailingStreak int              `json:"FailingStreak"`
	Log           []podmanLogEntry `json:"Log"`
}

type podmanLogEntry struct {
	Start    string `json:"Start"`
	End      string `json:"End"`
	ExitCode int    `json:"ExitCode"`
	Output   string `json:"Output"`
}

func healthLogFile(s health.State) podmanLog {
	out := podmanLog{Status: string(s.Status), FailingStreak: s.FailingStreak, Log: []podmanLogEntry{}}
	for _, r := range s.Log {
		out.Log = append(out.Log, podmanLogEntry{r.Start.Format(time.RFC3339Nano), r.End.Format(time.RFC3339Nano), r.ExitCode, r.Output})
	}
	return out
}
