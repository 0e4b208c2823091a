package engine

import (
	"fmt"
	"os"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/health"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/sys"
)

// note appends a record of this container to the audit trail. That it could
// not, on a full disk say, is told but stops nothing.
func (r *run) note(kind audit.Kind, more func(*audit.Record)) {
	a := r.record.auditRecord(kind)
	a.UID, _ = r.opts.UIDs.Host(0)
	if more != nil {
		more(&a)
	}
	if _, err := audit.At(r.opts.Dirs.State).Append(a); err != nil {
		r.warn("%v", err)
	}
}

// auditRecord is what the record says about who and what.
func (r Record) auditRecord(kind audit.Kind) audit.Record {
	a := audit.Record{
		Kind: kind, ID: r.ID, Name: r.Name, Image: r.Image, ImageID: r.ImageID,
		PID: r.PID, Started: r.Start, Cgroup: r.Cgroup,
	}
	a.Labels = r.Metadata.Labels
	if len(r.Command) > 0 {
		a.ArgvSHA256 = audit.Argv(r.Command)
	}
	if ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", r.PID)); err == nil && r.PID != 0 {
		a.Userns = ns
	}
	for _, m := range r.Spec.Mounts {
		if m.Source != "" {
			a.Mounts = append(a.Mounts, m.Source+":"+m.Dest)
		}
	}
	for _, d := range r.Security.Deviations {
		a.Relaxations = append(a.Relaxations, d.ID)
	}
	return a
}

// noteStart and noteEnd bracket the life of a payload. A container that this run has
// made itself has come to be just now.
func (r *run) noteStart() {
	if r.sup == nil {
		r.noteCreated()
	}
	r.note(audit.Start, nil)
}

// noteCreated says that there is a container, and of no process yet.
func (r *run) noteCreated() {
	r.noted = true
	r.note(audit.Create, withoutProcess)
}

func (r *run) noteEnd(e Exit) {
	r.note(audit.Died, func(a *audit.Record) {
		code := e.Code()
		a.ExitCode = &code
	})
}

// noteHealth records that a container's health has become another one.
func (r *run) noteHealth(s health.Status) {
	r.note(audit.HealthStatus, func(a *audit.Record) { a.Health = string(s) })
}

// noteExec writes the beginning of an exec, before its process is let go: nobody but
// this one knows of it. The function it returns writes the end, if anybody has seen it.
func (r *run) noteExec(pid int, e ExecSpec) (end func(code int, why error)) {
	if e.Unrecorded {
		return func(int, error) {}
	}
	unmark := func() {}
	a := r.record.auditRecord(audit.Exec)
	a.UID, _ = r.opts.UIDs.Host(0)
	a.PID, a.Started, a.ArgvSHA256 = pid, 0, audit.Argv(e.Args)
	proc, err := sys.ProcIDOf(pid)
	if err == nil {
		a.Started = proc.Start
		unmark, err = r.markExec(proc)
	}
	if err != nil {
		r.warn("%v", err)
	}
	trail := audit.At(r.opts.Dirs.State)
	since, err := trail.Append(a)
	if err != nil {
		r.warn("%v", err)
	}
	return func(code int, why error) {
		a.Kind, a.ExitCode = audit.ExecDied, &code
		if why != nil {
			a.Error = why.Error()
		}
		if err := trail.WriteEnd(a, since); err != nil {
			r.warn("%v", err)
			return // the mark stays
		}
		unmark()
	}
}

func (r *run) markExec(p sys.ProcID) (unmark func(), err error) {
	owner, err := sys.ProcIDOf(os.Getpid())
	if err != nil {
		return func() {}, err
	}
	unmark, err = markExec(r.dir, execMark{Process: p, Owner: owner})
	if err != nil {
		return func() {}, err
	}
	return unmark, nil
}

// noteRemoved records that a container is gone. It is written by whoever removes it.
func noteRemoved(d paths.Dirs, rec Record) {
	a := rec.auditRecord(audit.Remove)
	a.UID, a.Userns = hostUID(), ""    // the process has ended: its number may be another's
	_, _ = audit.At(d.State).Append(a) // on a full disk removing must go on
}

// removeAndNote is what a supervisor does at last with --rm.
func (r *run) removeAndNote() {
	if removeClaimed(r.opts.Dirs, r.record) == nil {
		noteRemoved(r.opts.Dirs, r.record)
	}
}

// noteDone records what a command has done to a container that goes on.
func noteDone(d paths.Dirs, rec Record, kind audit.Kind) {
	a := rec.auditRecord(kind)
	withoutProcess(&a)
	a.UID = hostUID()
	_, _ = audit.At(d.State).Append(a) // what was done is done
}

// NoteRestarting records that a container was stopped and is to be started again.
func NoteRestarting(d paths.Dirs, rec Record) { noteDone(d, rec, audit.Restart) }

// noteVolume records that a volume was made or removed.
func noteVolume(d paths.Dirs, name string, kind audit.Kind) {
	_, _ = audit.At(d.State).Append(audit.Record{Type: audit.Volume, Kind: kind, Name: name, UID: hostUID()})
}

// withoutProcess is for what is not about the container's first process.
func withoutProcess(a *audit.Record) {
	a.PID, a.Started, a.Userns, a.Cgroup, a.ArgvSHA256 = 0, 0, "", "", ""
}

// hostUID is the invoking user's UID, also inside the anchor, where it shows as 0.
func hostUID() uint32 {
	f, err := os.Open("/proc/self/uid_map")
	if err != nil {
		return uint32(os.Getuid())
	}
	defer f.Close()
	m, err := idmap.ParseMap(f)
	if err != nil {
		return uint32(os.Getuid())
	}
	uid, _ := m.Host(uint32(os.Getuid()))
	return uid
}
