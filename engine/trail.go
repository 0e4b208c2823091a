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
	if err := audit.At(r.opts.Dirs.State).Append(a); err != nil {
		r.warn("%v", err)
	}
}

// auditRecord is what the record says about who and what.
func (r Record) auditRecord(kind audit.Kind) audit.Record {
	a := audit.Record{
		Kind: kind, ID: r.ID, Name: r.Name, Image: r.Image, ImageID: r.ImageID,
		PID: r.PID, Started: r.Start, Cgroup: r.Cgroup,
	}
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

// noteStart and noteEnd bracket the life of a payload.
func (r *run) noteStart() { r.note(audit.Start, nil) }

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

func (r *run) noteExec(pid int, e ExecSpec) {
	if e.Unrecorded {
		return
	}
	r.note(audit.Exec, func(a *audit.Record) {
		a.PID, a.Started, a.ArgvSHA256 = pid, 0, audit.Argv(e.Args)
		if id, err := sys.ProcIDOf(pid); err == nil {
			a.Started = id.Start
		}
	})
}

// noteLost records an end that nobody saw, and noteRemoved that a container is
// gone. They are written by whoever finds out.
func noteLost(d paths.Dirs, rec Record) { noteOutside(d, rec, audit.Lost) }

func noteRemoved(d paths.Dirs, rec Record) { noteOutside(d, rec, audit.Remove) }

func noteOutside(d paths.Dirs, rec Record, kind audit.Kind) {
	a := rec.auditRecord(kind)
	a.UID = hostUID()
	_ = audit.At(d.State).Append(a) // on a full disk removing must go on
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
