package audit

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/burrow-run/burrow/internal/journal"
)

// Verify checks the chain and returns how many records it has. The error names
// the first line at which it does not hold. What is missing at the end cannot be
// seen from the file alone: VerifyJournal asks the journal.
func (t Trail) Verify() (records int, err error) { return t.verify(func(string) {}) }

// verify calls fn with the hash of each line that the chain holds at.
func (t Trail) verify(fn func(sum string)) (records int, err error) {
	f, err := os.Open(t.path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("audit: %w", err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, maxLine)
	prev := ""
	for sc.Scan() {
		var r Record
		switch err := json.Unmarshal(sc.Bytes(), &r); {
		case err != nil:
			return records, fmt.Errorf("%w at line %d: it is no record", ErrBroken, records+1)
		case r.Prev != prev:
			return records, fmt.Errorf("%w at line %d: the line before was changed, or one is missing", ErrBroken, records+1)
		case r.Seq != uint64(records)+1:
			return records, fmt.Errorf("%w at line %d: it has number %d", ErrBroken, records+1, r.Seq)
		}
		prev = hash(sc.Bytes())
		records++
		fn(prev)
	}
	if err := sc.Err(); err != nil {
		return records, fmt.Errorf("%w at line %d: %w", ErrBroken, records+1, err)
	}
	return records, nil
}

// Witnessed is what the journal says about a trail.
type Witnessed struct {
	Records int // of the trail
	Journal int // those of them that the journal has
	// Earlier is how many trails of the user the journal has seen begin before this one.
	Earlier int
}

// VerifyJournal is Verify, and compares the trail with the records that the user has
// sent to the journal, which is not his to change: what was cut off at the end or
// written anew is found too. It says nothing of what the journal has forgotten or
// never got. Without a journal the error is journal.ErrNone.
func (t Trail) VerifyJournal(ctx context.Context, uid uint32) (Witnessed, error) {
	match := []string{
		"--output-fields=" + journalSeq + "," + journalSum,
		"SYSLOG_IDENTIFIER=burrow", "_UID=" + strconv.FormatUint(uint64(uid), 10),
	}
	return t.verifyJournal(func(fn func(journal.Entry) error) error { return journal.Read(ctx, match, fn) })
}

// verifyJournal takes the journal's entries, oldest first. They are read before the
// trail, which may grow meanwhile.
func (t Trail) verifyJournal(read func(func(journal.Entry) error) error) (w Witnessed, err error) {
	sums, began, last := map[int]string{}, 0, 0
	if err := read(func(e journal.Entry) error {
		seq, err := strconv.Atoi(string(e[journalSeq]))
		sum := string(e[journalSum])
		if err != nil || sum == "" {
			return nil //nolint:nilerr // another entry of the user's
		}
		if seq == 1 {
			began++
			clear(sums)
			last = 0
		}
		sums[seq], last = sum, max(last, seq)
		return nil
	}); err != nil {
		return w, err
	}
	w.Earlier = max(0, began-1)
	var other error
	w.Records, err = t.verify(func(sum string) {
		w.Journal++ // for now all lines
		if want, ok := sums[w.Journal]; ok && want != sum && other == nil {
			other = fmt.Errorf("%w at line %d: the journal has another one", ErrBroken, w.Journal)
		}
	})
	w.Journal = len(sums)
	switch {
	case err != nil:
		return w, err
	case other != nil:
		return w, other
	case last > w.Records:
		return w, fmt.Errorf("%w at its end: it has %d records, the journal has number %d", ErrBroken, w.Records, last)
	}
	return w, nil
}
