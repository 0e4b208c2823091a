package engine

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/sys"
)

// List returns the containers' records, without Spec and Security, newest first, and the names of the
// directories whose record cannot be read.
func List(d paths.Dirs) (records []*Record, damaged []string, err error) {
	l := lister{path: d.Containers()}
	if l.top, err = sys.OpenDir(l.path); errors.Is(err, os.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer l.top.Close()
	ids, err := l.top.Readdirnames(-1)
	if err != nil {
		return nil, nil, err
	}
	all := l.loadAll(ids)
	records = make([]*Record, 0, len(ids))
	for i, id := range ids {
		switch err := all[i].err; {
		case err == nil:
			records = append(records, all[i].rec)
		case !errors.Is(err, os.ErrNotExist):
			damaged = append(damaged, id)
		}
	}
	sortNewest(records)
	return records, damaged, nil
}

// loadedRecord points: a record is 3 KB, and each copy of a thousand is memory to be
// mapped first.
type loadedRecord struct {
	rec *Record
	err error
}

// worthwhile is how many records one processor reads before a second one is worth
// waking up: each takes some 40 µs.
const worthwhile = 32

func (l lister) loadAll(ids []string) []loadedRecord {
	all := make([]loadedRecord, len(ids))
	workers := min(runtime.GOMAXPROCS(0), 8, len(ids)/worthwhile+1)
	var done sync.WaitGroup
	for w := range workers {
		done.Go(func() {
			mine := l // with a buffer of its own
			for i := w; i < len(ids); i += workers {
				all[i].rec, all[i].err = mine.load(ids[i])
			}
		})
	}
	done.Wait()
	return all
}

// lister reads many records as loadSummary reads one, but relative to their directory
// and into one buffer.
type lister struct {
	path string
	top  *os.File
	buf  []byte
}

func (l *lister) load(id string) (_ *Record, err error) {
	if l.buf, err = sys.ReadFileAt(l.top, id+"/"+recordFile, l.buf); err != nil {
		return nil, err
	}
	rec, err := parseSummary(filepath.Join(l.path, id), l.buf)
	if err != nil {
		return nil, err
	}
	if l.buf, err = sys.ReadFileAt(l.top, id+"/"+renamed, l.buf); err == nil && spec.CheckName(string(l.buf)) == nil {
		rec.Name = string(l.buf)
	}
	return &rec, nil
}
