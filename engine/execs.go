package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/sys"
)

// The trail has a beginning and an end of each exec. Who writes the end may be killed,
// or, with --detach, does not stay. So there is a mark in the container's directory from
// before the beginning until after the end, and whoever meets one that nobody cares for
// any more settles the trail: the next exec, the container's end, its removal, burrow audit.
const execsDir = "execs"

// execMark is what a mark says: its exec's process, and who will write its end.
type execMark struct {
	Process sys.ProcID `json:"process"`
	Owner   sys.ProcID `json:"owner"`
}

// markExec makes the mark and returns how to take it away.
func markExec(dir string, m execMark) (unmark func(), err error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("bug: encode exec: %w", err)
	}
	parent := filepath.Join(dir, execsDir)
	if err := os.Mkdir(parent, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("note exec: %w", err)
	}
	// A link is made with its content in one step.
	path := filepath.Join(parent, fmt.Sprintf("%d-%d", m.Process.PID, m.Process.Start))
	if err := os.Symlink(string(text), path); err != nil {
		return nil, fmt.Errorf("note exec: %w", err)
	}
	return func() { _ = os.Remove(path) }, nil
}

// execGrace is how long the ends of execs are left to those who know them, when
// their container goes.
const execGrace = 200 * time.Millisecond

// settleExecs ends, in the trail, the execs of a container that nobody else will. With
// gone the container is at its end and they with it.
func settleExecs(d paths.Dirs, rec Record, gone bool) {
	dir := filepath.Join(d.Containers(), rec.ID, execsDir)
	for begin := time.Now(); ; time.Sleep(2 * time.Millisecond) {
		orphans, waiting := orphanedExecs(dir, gone && time.Since(begin) > execGrace)
		if gone && waiting {
			continue
		}
		if len(orphans) > 0 && settleTrail(d, rec, false) == nil {
			for _, path := range orphans {
				_ = os.Remove(path)
			}
		}
		return
	}
}

// orphanedExecs are the marks of what has ended without anybody left to say so, all
// that has ended with all. waiting says that there are others whose process has ended.
func orphanedExecs(dir string, all bool) (orphans []string, waiting bool) {
	marks, err := names(dir)
	if err != nil {
		return nil, false // as a rule there are none
	}
	for _, name := range marks {
		path := filepath.Join(dir, name)
		text, err := os.Readlink(path)
		if err != nil {
			continue
		}
		var m execMark
		bad := json.Unmarshal([]byte(text), &m) != nil
		switch {
		case !bad && m.Process.Alive():
		case bad || all || !m.Owner.Alive():
			orphans = append(orphans, path)
		default:
			waiting = true
		}
	}
	return orphans, waiting
}

// SettleTrail writes the ends that are missing in the trail: of containers whose run
// was killed, and of execs. What cannot be written is left to the next who asks.
func SettleTrail(d paths.Dirs) {
	ids, err := names(d.Containers())
	if err != nil {
		return
	}
	for _, id := range ids {
		rec, err := loadSummary(filepath.Join(d.Containers(), id))
		if err != nil {
			continue
		}
		settleExecs(d, rec, false)
		if rec.unseenEnd() && rec.abandoned() {
			_ = settleTrail(d, rec, true)
		}
	}
}

// unseenEnd says that the container has run and nobody has written how it ended: it
// runs yet, or its run was killed, or the machine went down, or the disk was full.
func (r Record) unseenEnd() bool {
	return r.PID != 0 && (!r.Exited || r.inPlace || r.Finished.Before(r.Started))
}

// settleTrail writes what the trail lacks of a container: the ends of execs that are
// over, and with first that of its first process, which nobody else is left to write.
func settleTrail(d paths.Dirs, rec Record, first bool) error {
	boot, err := bootID()
	if err != nil {
		return err
	}
	if full, err := LoadRecord(rec.dir); err == nil {
		rec = full
	}
	c := rec.auditRecord(audit.Start)
	c.UID = hostUID()
	payload := sys.ProcID{PID: rec.PID, Start: rec.Start}
	return audit.At(d.State).Settle(c, func(p sys.ProcID) bool {
		if p == payload && !first {
			return false
		}
		return rec.BootID != boot || !p.Alive()
	})
}
