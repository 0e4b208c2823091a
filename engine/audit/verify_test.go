package audit

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"testing"

	"github.com/burrow-run/burrow/internal/journal"
)

// sent are the entries that a journal has of the trail's records.
func sent(t *testing.T, trail Trail) []journal.Entry {
	t.Helper()
	out := []journal.Entry{{"MESSAGE": []byte("of another program"), journalSeq: []byte("x")}}
	if _, err := trail.verify(func(sum string) {
		out = append(out, journal.Entry{journalSeq: []byte(strconv.Itoa(len(out))), journalSum: []byte(sum)})
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func source(entries []journal.Entry) func(func(journal.Entry) error) error {
	return func(fn func(journal.Entry) error) error {
		for _, e := range entries {
			if err := fn(e); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestVerifyJournal(t *testing.T) {
	trail, _ := fill(t, 5)
	seen := sent(t, trail)
	w, err := trail.verifyJournal(source(seen))
	if err != nil || w != (Witnessed{Records: 5, Journal: 5}) {
		t.Errorf("%+v, %v", w, err)
	}
	// The journal forgets what is old, and may drop something.
	w, err = trail.verifyJournal(source(append(seen[3:4:4], seen[5])))
	if err != nil || w != (Witnessed{Records: 5, Journal: 2}) {
		t.Errorf("%+v, %v", w, err)
	}
	// A trail that was begun anew, as after the loss of the disk, is said.
	other, _ := fill(t, 9)
	w, err = trail.verifyJournal(source(append(sent(t, other), seen...)))
	if err != nil || w != (Witnessed{Records: 5, Journal: 5, Earlier: 1}) {
		t.Errorf("%+v, %v", w, err)
	}
}

// What the chain alone cannot notice.
func TestJournalFindsMore(t *testing.T) {
	for name, tamper := range map[string]func(lines [][]byte) [][]byte{
		"cut off at the end": func(l [][]byte) [][]byte { return l[:4] },
		"the last line changed": func(l [][]byte) [][]byte {
			l[4] = bytes.Replace(l[4], []byte(`"x"`), []byte(`"y"`), 1)
			return l
		},
		"nothing left": func([][]byte) [][]byte { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			trail, path := fill(t, 5)
			seen := sent(t, trail)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, bytes.Join(tamper(bytes.SplitAfter(b, []byte("\n"))), nil), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := trail.Verify(); err != nil {
				t.Errorf("the chain alone has noticed: %v", err)
			}
			if _, err := trail.verifyJournal(source(seen)); !errors.Is(err, ErrBroken) {
				t.Errorf("not found: %v", err)
			}
		})
	}
	trail, path := fill(t, 5)
	seen := sent(t, trail)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for range 7 { // a whole trail written anew
		if _, err := trail.Append(Record{Kind: Start, ID: "forged"}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := trail.verifyJournal(source(seen)); !errors.Is(err, ErrBroken) {
		t.Errorf("written anew: %v", err)
	}
}
