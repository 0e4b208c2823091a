package idmap

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

func TestSharing(t *testing.T) {
	l := openTest(t, 65536)
	a := mustTake(t, l, Need{Container: "a", Image: "x", UIDs: []uint32{65534}})
	_, err := l.Take(t.Context(), Need{Container: "b", Exact: &a.Ref})
	if !errors.Is(err, ErrHeld) || hint.Of(err) == "" {
		t.Errorf("Take of a stranger's slice: %v, want ErrHeld", err)
	}
	b := mustTake(t, l, Need{Container: "b", Image: "y", UIDs: []uint32{12345}, Exact: &a.Ref, Peers: []string{"a"}})
	if b.Block != a.Block || b.Extras[65534] != a.Extras[65534] || b.Extras[12345] == a.Extras[65534] {
		t.Errorf("a %+v %v, b %+v %v", a.Block, a.Extras, b.Block, b.Extras)
	}
	hs, err := l.List()
	if err != nil || len(hs) != 2 {
		t.Errorf("List() = %+v, %v", hs, err)
	}
	release(t, a)
	if u, err := l.Usage(); err != nil || u.Free != u.Slices-1 || u.Holders[0].Container != "b" {
		t.Errorf("after the first left: %+v, %v", u, err)
	}
	release(t, b)
	if u, _ := l.Usage(); u.Free != u.Slices {
		t.Errorf("after both left: %+v", u)
	}
}

func TestHandOver(t *testing.T) {
	l := openTest(t, 65536)
	a := mustTake(t, l, Need{Container: "c", Image: "x"})
	b := mustTake(t, l, Need{Container: "c", Image: "x", Exact: &a.Ref})
	self, err := sys.ProcIDOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Record(t.Context(), self); err != nil {
		t.Fatal(err)
	}
	release(t, a)
	hs, err := l.List()
	if err != nil || len(hs) != 1 || hs[0].PID != self.PID {
		t.Errorf("after handing over: %+v, %v", hs, err)
	}
}

func TestKeptSlice(t *testing.T) {
	l := openTest(t, 2*stride)
	s := mustTake(t, l, Need{Container: "db", Image: "pg", Size: 1500, UIDs: []uint32{65534}})
	for _, volume := range []string{"volume pgdata", "volume pgwal"} {
		if err := s.Keep(volume); err != nil {
			t.Fatal(err)
		}
	}
	ref, extra := s.Ref, s.Extras[65534]
	release(t, s)
	_, err := l.Take(t.Context(), Need{Container: "other"})
	if !errors.Is(err, ErrExhausted) || !strings.Contains(err.Error(), "volume pgdata") {
		t.Errorf("Take of a kept slice: %v", err)
	}
	for _, name := range []string{"0", "1"} { // a power failure may empty what was not synced
		if err := os.Truncate(filepath.Join(l.dir, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	again := mustTake(t, l, Need{Container: "db2", Image: "pg16", UIDs: []uint32{4000}, Exact: &ref})
	if again.Extras[65534] != extra || again.Extras[4000] == extra {
		t.Errorf("extras %v, want 65534 at %d", again.Extras, extra)
	}
	release(t, again)
	for _, volume := range []string{"volume pgdata", "volume pgwal", "volume pgwal"} {
		if err := l.Unkeep(ref, volume); err != nil {
			t.Fatal(err)
		}
	}
	release(t, mustTake(t, l, Need{Container: "other"}))
}

func TestMappedByHand(t *testing.T) {
	l := openTest(t, 65536)
	all := Map{{0, 0, 65537}}
	a, err := l.TakeMapped(t.Context(), "a", all, Map{{0, 0, 1}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.TakeMapped(t.Context(), "b", Map{{0, 0, 1}, {1, 5000, 1}}, all[:0])
	if err != nil {
		t.Fatal("two containers mapped by hand:", err)
	}
	if _, err := l.Take(t.Context(), Need{Container: "c"}); !errors.Is(err, ErrExhausted) || !strings.Contains(err.Error(), "held by a, b") {
		t.Errorf("Take beside a map of everything: %v", err)
	}
	release(t, a)
	c := mustTake(t, l, Need{Container: "c"})
	if number, _ := l.strideOf(5000); c.Ref.First == number {
		t.Errorf("slice %s is mapped by b", c.ID)
	}
	if _, err := l.TakeMapped(t.Context(), "d", all, all); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), "held by c") {
		t.Errorf("TakeMapped over a slice: %v, want ErrHeld by c", err)
	}
	release(t, b)
	if hs, _ := l.List(); len(hs) != 1 {
		t.Errorf("held by %+v", hs)
	}
	u, err := l.Usage()
	if err != nil {
		t.Fatal(err)
	}
	var free uint32
	for _, r := range u.FreeIDs {
		if r.Contains(c.Block.Start) || r.Overlaps(l.Reserved()) {
			t.Errorf("%s is free, beside slice %s and reserved %s", r, c.ID, l.Reserved())
		}
		free += r.Count
	}
	if free != uint32(u.Free)*stride || u.Free != u.Slices-1 {
		t.Errorf("%d IDs and %d of %d slices free", free, u.Free, u.Slices)
	}
	huge := openTest(t, 1<<31)
	if _, err := huge.TakeMapped(t.Context(), "e", Map{{0, 0, 1 << 30}}, nil); !errors.Is(err, ErrMap) {
		t.Errorf("a billion IDs: %v, want ErrMap", err)
	}
}
