package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/burrow-run/burrow/internal/sys"
)

// Settle appends the ends that are missing of what container c.ID had running:
// Lost for its first process, which is c's, ExecDied for those of execs. A first process that the
// trail has no beginning of gets one too: its run was killed before it could say so.
// over says whether a process has ended, and that nobody is left to say how.
//
// Of several who find out one writes: it is done under the lock of the trail.
func (t Trail) Settle(c Record, over func(sys.ProcID) bool) error {
	f, err := t.open()
	if err != nil {
		return err
	}
	defer f.Close()
	l := newLives(c)
	from, err := l.read(f, 0) // what is long takes long: not under the lock
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if err := sys.LockFile(f); err != nil { // until Close
		return fmt.Errorf("audit: %w", err)
	}
	if _, err := l.read(f, from); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	for _, r := range l.missing(c, over) {
		if err := t.append(f, r); err != nil {
			return err
		}
	}
	return nil
}

// WriteEnd appends the end of a process, unless somebody has settled it: since is
// what Append has returned for its beginning.
func (t Trail) WriteEnd(end Record, since int64) error {
	f, err := t.open()
	if err != nil {
		return err
	}
	defer f.Close()
	if err := sys.LockFile(f); err != nil { // until Close
		return fmt.Errorf("audit: %w", err)
	}
	l := newLives(end)
	if _, err := l.read(f, since); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if l.ended[end.process()] {
		return nil
	}
	return t.append(f, end)
}

func (r Record) process() sys.ProcID { return sys.ProcID{PID: r.PID, Start: r.Started} }

// lives are the processes of one container that a trail tells of.
type lives struct {
	id, quoted string
	begun      []Record
	ended      map[sys.ProcID]bool
}

func newLives(c Record) *lives {
	return &lives{id: c.ID, quoted: `"` + c.ID + `"`, ended: map[sys.ProcID]bool{}}
}

// read takes the lines from an offset on, and returns where the last whole one ends.
func (l *lives) read(f *os.File, from int64) (int64, error) {
	r := bufio.NewReaderSize(io.NewSectionReader(f, from, 1<<62), 64<<10)
	for {
		line, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return from, nil
		}
		if err != nil {
			return from, err
		}
		from += int64(len(line))
		if bytes.Contains(line, []byte(l.quoted)) {
			l.take(line)
		}
	}
}

func (l *lives) take(line []byte) {
	var r Record
	if json.Unmarshal(line, &r) != nil || r.ID != l.id || r.PID == 0 {
		return
	}
	switch r.Kind { //nolint:exhaustive // others neither begin nor end a process
	case Start, Exec:
		l.begun = append(l.begun, r)
	case Died, Lost, Failed, ExecDied:
		l.ended[r.process()] = true
	}
}

// missing are the records to write, in order.
func (l *lives) missing(c Record, over func(sys.ProcID) bool) []Record {
	var out []Record
	end := func(of Record, kind Kind) {
		of.Kind, of.ExitCode = kind, nil
		out = append(out, of)
	}
	first := c.PID == 0 || l.ended[c.process()]
	for _, r := range l.begun {
		p := r.process()
		if l.ended[p] || !over(p) {
			continue
		}
		if r.Kind == Start {
			first = first || p == c.process()
			end(r, Lost)
		} else {
			end(r, ExecDied)
		}
		l.ended[p] = true
	}
	if !first && !l.ended[c.process()] && over(c.process()) {
		end(c, Start)
		end(c, Lost)
	}
	return out
}
