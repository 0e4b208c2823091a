package audit

import (
	"bytes"
	"os"
	"testing"
)

// FuzzVerify changes a trail at one place: that is noticed, unless it is in the
// last line or cuts lines off the end.
func FuzzVerify(f *testing.F) {
	f.Add(uint(10), []byte("x"), uint(1))
	f.Add(uint(0), []byte{}, uint(1000))
	f.Add(uint(200), []byte("\n"), uint(0))
	f.Add(uint(1<<20), []byte("{}\n"), uint(0))
	f.Fuzz(func(t *testing.T, at uint, insert []byte, remove uint) {
		trail := At(t.TempDir())
		for range 4 {
			if _, err := trail.Append(Record{Kind: "start", Name: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		good, err := os.ReadFile(trail.path)
		if err != nil {
			t.Fatal(err)
		}
		from := min(at, uint(len(good)))
		to := min(from+min(remove, uint(len(good))), uint(len(good)))
		bad := append(append(bytes.Clone(good[:from]), insert...), good[to:]...)
		if err := os.WriteFile(trail.path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		n, err := trail.Verify()
		// Nothing vouches for the last line, nor for how many there were.
		vouched := bytes.LastIndexByte(bytes.TrimSuffix(bad, []byte("\n")), '\n') + 1
		if err == nil && !bytes.HasPrefix(good, bad[:vouched]) {
			t.Errorf("%d records pass for whole:\n%s", n, bad)
		}
	})
}
