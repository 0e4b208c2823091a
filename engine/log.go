package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/ctrlog"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// logWriter is where a supervisor puts what its container prints. Write returns
// when it is there: whoever is behind holds up the container.
type logWriter interface {
	Write(s ctrlog.Stream, p []byte) error
	Close() error
}

// ErrNoLog means that nothing keeps what a container prints.
var ErrNoLog = errors.New("it keeps no log")

// logFormat is how the output of a supervised container is stored in a file, ""
// if it is not.
func logFormat(l spec.Log) ctrlog.Format {
	switch l.Driver {
	case "", spec.LogK8sFile:
		return ctrlog.K8sFile
	case spec.LogJSONFile:
		return ctrlog.JSONFile
	}
	return ""
}

// LogDriver is the log driver that a container has.
func (r Record) LogDriver() string {
	switch {
	case r.Spec.Log.Driver != "":
		return r.Spec.Log.Driver
	case r.Foreground:
		return spec.LogPassthrough
	}
	return spec.LogK8sFile
}

// LogPath is the file that holds a container's log, "" if none does.
func LogPath(d paths.Dirs, rec Record) string {
	if logFormat(rec.Spec.Log) == "" || rec.Foreground {
		return ""
	}
	return logFile(rec.Spec.Log, filepath.Join(d.Containers(), rec.ID))
}

// logFile is where a container with the directory dir has its log.
func logFile(l spec.Log, dir string) string { return cmp.Or(l.Path, filepath.Join(dir, "ctr.log")) }

// checkLog refuses a driver that would have nowhere to write to.
func (r *run) checkLog(context.Context) error {
	if r.spec.Log.Driver != spec.LogJournald {
		return nil
	}
	if err := ctrlog.CheckJournal(); err != nil {
		return hint.New(fmt.Errorf("--log-driver=journald: %w", err), "the other drivers are k8s-file, json-file, passthrough and none")
	}
	return nil
}

func (s *supervised) openLog(r *run) error {
	l := r.spec.Log
	if l.Driver == spec.LogJournald {
		tag, err := spec.ExpandTag(l.Tag, r.logTag())
		if err != nil {
			return fmt.Errorf("--log-opt tag: %w", err)
		}
		w, err := ctrlog.OpenJournal(ctrlog.JournalOptions{ID: r.id, Name: r.name, Tag: tag})
		if err == nil {
			s.log = w
		}
		return err
	}
	if logFormat(l) == "" {
		return nil
	}
	w, err := ctrlog.Create(logFile(l, r.dir), r.logOptions())
	if err == nil {
		s.log = w
	}
	return err
}

// logOptions are those of a log that is a file.
func (r *run) logOptions() ctrlog.Options {
	l := r.spec.Log
	return ctrlog.Options{Format: logFormat(l), MaxSize: l.MaxSize, MaxFile: l.MaxFile}
}

func (r *run) logTag() spec.LogTag {
	id := r.record.ImageID
	return spec.LogTag{
		ID: r.id[:12], FullID: r.id, Name: r.name, Command: strings.Join(r.record.Command, " "),
		ImageName: r.record.Image, ImageFullName: r.record.Image, ImageID: id[:min(12, len(id))], ImageFullID: id,
	}
}

// HasLog says with an error why there is no log to read.
func (r Record) HasLog() error {
	switch driver := r.LogDriver(); {
	case driver == spec.LogNone:
		return fmt.Errorf("container %s: %w: --log-driver=none", r.Name, ErrNoLog)
	case r.Foreground, driver == spec.LogPassthrough:
		return fmt.Errorf("container %s: %w: its output went to the caller", r.Name, ErrNoLog)
	}
	return nil
}

// ReadLog hands the selected lines of a container's log to fn. With q.Follow it
// goes on until the container has ended and will not start again by itself. uid is the invoking user on the host;
// what others have written to the journal is nobody's log.
func ReadLog(ctx context.Context, d paths.Dirs, rec Record, q ctrlog.Query, uid int, fn func(ctrlog.Line) error) error {
	started := rec.Started
	q.Ended = func() bool {
		now, err := Lookup(d, rec.ID)
		if err != nil {
			return true
		}
		started = now.Started
		// A supervisor that is about to start it again lives on.
		return !now.Running() && !now.starting() && (now.stopped() || !now.Owner.Alive())
	}
	if err := rec.HasLog(); err != nil {
		return err
	}
	if rec.LogDriver() == spec.LogJournald {
		return ctrlog.ReadJournal(ctx, ctrlog.JournalQuery{
			Query: q, ID: rec.ID, UID: uid, Started: func() time.Time { return started },
			EndEvent: []string{audit.JournalID + "=" + rec.ID, audit.JournalEvent + "=" + string(audit.Died)},
		}, fn)
	}
	q.Format = logFormat(rec.Spec.Log)
	return ctrlog.Read(ctx, LogPath(d, rec), q, fn)
}
