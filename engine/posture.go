package engine

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/posture"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// ErrNoPosture means that a container could not be looked at.
var ErrNoPosture = errors.New("its security report cannot be made")

// Posture compares what the kernel says of a running container's first process
// with what its record says was asked for. anchor is the process that keeps the
// anchor; inside says that the caller is in there.
func Posture(rec Record, anchor int, inside bool) (posture.Report, error) {
	if !rec.Running() {
		return posture.Report{}, fmt.Errorf("container %s: %w: %w", rec.Name, ErrNoPosture, ErrNotRunning)
	}
	o := posture.Observer{Anchor: anchor, Container: rec.PID, Inside: inside}
	if !inside {
		o.IDs = posture.FromMap(anchor)
	}
	r, err := compareWith(rec, o, false)
	if err == nil && !rec.Running() {
		err = ErrNotRunning // its pid may have been another process's already
	}
	if err != nil {
		return posture.Report{}, fmt.Errorf("container %s: %w: %w", rec.Name, ErrNoPosture, err)
	}
	return r, nil
}

func compareWith(rec Record, o posture.Observer, atStart bool) (posture.Report, error) {
	found, err := o.Look(rec.PID)
	if err != nil {
		return posture.Report{}, err
	}
	files, err := o.Files(rec.PID)
	if err != nil {
		return posture.Report{}, err
	}
	maps.Copy(found, files)
	if rootIsUser(rec) {
		found[keyringFact] = keyring(rec)
	}
	found["environment"] = strings.ReplaceAll(found["environment"], " ", ", ")
	has := posture.Limits(rec.PID)
	for _, l := range rec.Security.Rlimits { // also where the caller has the same
		found["limit "+limitName(l)] = has[limitName(l)]
	}
	w := wish{rec: rec, observer: o}.all(found)
	return posture.Compare(found, w, rec.PID, atStart), nil
}

const keyringFact = "keyring"

// keyringName is libcontainer's for the session keyring of a container.
func keyringName(rec Record) string { return "_ses." + rec.ID }

// rootIsUser: the container's root is the user himself, and what it owns is shown to him.
func rootIsUser(rec Record) bool {
	host, ok := rec.UIDMap.Host(0)
	return ok && host == 0
}

// keyring says whether there is a session keyring of the container's name. Whose
// session it is the kernel tells only the process itself.
func keyring(rec Record) string {
	b, err := os.ReadFile("/proc/keys")
	if err != nil {
		return "not to be seen: " + err.Error()
	}
	if !strings.Contains(string(b), keyringName(rec)) {
		return "none of its name"
	}
	return keyringName(rec)
}

// looks says whether the caller wants to have the payload looked at.
func (r *run) looks() bool { return r.opts.Posture != nil && r.spec.SecurityReport != "" }

// execs are those of a container's first process: libcontainer's init becomes the
// gate, the gate becomes the payload.
const execs = 2

// lookAtStart has the payload stopped before its first instruction and looked at:
// later it can have changed, or be gone. What it returns waits for that.
func (r *run) lookAtStart() (done func() error, err error) {
	if !r.looks() {
		return func() error { return nil }, nil
	}
	o := posture.Observer{Inside: true, Container: r.record.PID}
	var report posture.Report
	var failed error
	wait, err := sys.TraceExec(r.record.PID, execs, func() { report, failed = compareWith(r.record, o, true) })
	if errors.Is(err, unix.EPERM) {
		return nil, hint.New(fmt.Errorf("--security-report: %w", err), "sysctl kernel.yama.ptrace_scope: 3 forbids it until the next boot")
	}
	if err != nil {
		return nil, fmt.Errorf("--security-report: %w", err)
	}
	return func() error {
		if !wait() {
			return nil // it has been killed; what follows says so
		}
		if failed != nil {
			return fmt.Errorf("--security-report: %w", failed)
		}
		r.opts.Posture(report)
		return nil
	}, nil
}
