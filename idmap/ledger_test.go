package idmap

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/burrow-run/burrow/internal/hint"
)

func openTest(t testing.TB, total uint32) *Ledger {
	t.Helper()
	l, err := OpenLedger(filepath.Join(t.TempDir(), "ids"), total, LedgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustTake(t testing.TB, l *Ledger, n Need) *Slice {
	t.Helper()
	s, err := l.Take(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSixtyAtOnce(t *testing.T) {
	l := openTest(t, 65536)
	if l.Capacity() < 60 {
		t.Fatalf("capacity %d", l.Capacity())
	}
	var held []*Slice
	for i := range l.Capacity() {
		n := Need{Container: fmt.Sprintf("c%d", i), Image: fmt.Sprintf("img%d", i%3), UIDs: []uint32{7, 65534}, GIDs: []uint32{12345}}
		held = append(held, mustTake(t, l, n))
	}
	disjoint(t, held)
	_, err := l.Take(t.Context(), Need{Container: "one more", Image: "img"})
	var full *ExhaustedError
	if !errors.As(err, &full) || !errors.Is(err, ErrExhausted) || hint.Of(err) == "" {
		t.Fatalf("Take of a full ledger: %v", err)
	}
	if full.Free != 0 || full.Needed != 1024 || len(full.Holders) != l.Capacity() {
		t.Errorf("ExhaustedError = needed %d free %d holders %d", full.Needed, full.Free, len(full.Holders))
	}
	for _, s := range held {
		release(t, s)
	}
	u, err := l.Usage()
	if err != nil || u.Free != l.Capacity() || len(u.Holders) != 0 {
		t.Errorf("after release: %+v, %v", u, err)
	}
}

func release(t *testing.T, s *Slice) {
	t.Helper()
	if err := s.Release(); err != nil {
		t.Error(err)
	}
}

// disjoint fails if two slices have an anchor ID in common, or one twice.
func disjoint(t *testing.T, held []*Slice) {
	t.Helper()
	owner := map[uint32]string{}
	claim := func(id uint32, s *Slice) {
		if o, ok := owner[id]; ok {
			t.Fatalf("anchor ID %d belongs to %s and %s", id, o, s.holder.Container)
		}
		if id == 0 || id > s.ledger.total {
			t.Fatalf("anchor ID %d of %s is outside 1-%d", id, s.holder.Container, s.ledger.total)
		}
		owner[id] = s.holder.Container
	}
	for _, s := range held {
		for i := range s.Block.Count {
			claim(s.Block.Start+i, s)
		}
		for _, id := range s.Extras {
			claim(id, s)
		}
	}
}

func TestSameImageGetsItsSliceBack(t *testing.T) {
	l := openTest(t, 65536)
	need := Need{Container: "a", Image: "debian", UIDs: []uint32{65534}}
	first := mustTake(t, l, need)
	id, extra := first.ID, first.Extras[65534]
	release(t, first)
	for i := range 20 { // others come and go, and leave it alone
		release(t, mustTake(t, l, Need{Container: fmt.Sprintf("x%d", i), Image: fmt.Sprintf("other%d", i)}))
	}
	need.UIDs = []uint32{12345, 65534} // as with --user 12345
	again := mustTake(t, l, need)
	if again.ID != id || again.Extras[65534] != extra {
		t.Errorf("got slice %s with 65534 as %d, want %s and %d", again.ID, again.Extras[65534], id, extra)
	}
}

func TestExtrasBeginAnewWithAnotherID(t *testing.T) {
	l := openTest(t, stride) // one slice
	ids := func(from uint32) (out []uint32) {
		for i := range uint32(20) {
			out = append(out, from+i)
		}
		return out
	}
	a := mustTake(t, l, Need{Container: "a", Image: "a", UIDs: ids(5000)})
	release(t, a)
	b := mustTake(t, l, Need{Container: "b", Image: "b", GIDs: ids(9000)})
	if a.ID == b.ID {
		t.Errorf("both are %s though 40 IDs do not fit", a.ID)
	}
	disjoint(t, []*Slice{b})
}

func TestLargerSlices(t *testing.T) {
	l := openTest(t, 65536)
	big := mustTake(t, l, Need{Container: "big", Image: "a", Size: 4096, UIDs: []uint32{65534}})
	many := Need{Container: "many", Image: "a"}
	for i := range uint32(200) {
		many.UIDs = append(many.UIDs, 100000+3*i)
	}
	sparse := mustTake(t, l, many)
	if big.Block.Count != 4096 || big.Ref.Count != 4 || len(sparse.Extras) != 200 || sparse.Ref.Count != 2 {
		t.Errorf("big %+v, sparse %+v", big.Ref, sparse.Ref)
	}
	held := []*Slice{big, sparse}
	for {
		s, err := l.Take(t.Context(), Need{Container: fmt.Sprint("c", len(held)), Image: "b"})
		if err != nil {
			break
		}
		held = append(held, s)
	}
	if len(held) != l.Capacity()-4 {
		t.Errorf("%d slices fit, want %d", len(held), l.Capacity()-4)
	}
	disjoint(t, held)
	for _, size := range []uint32{65536, noID} {
		if _, err := l.Take(t.Context(), Need{Container: "huge", Size: size}); !errors.Is(err, ErrExhausted) {
			t.Errorf("Take(size %d) = %v, want ErrExhausted", size, err)
		}
	}
}

func TestSmallRanges(t *testing.T) {
	for _, total := range []uint32{0, 1, 2, 100, 1000, 1056, 2112, 5000} {
		l := openTest(t, total)
		var held []*Slice
		for {
			s, err := l.Take(t.Context(), Need{Container: fmt.Sprint("c", len(held))})
			if err != nil {
				if !errors.Is(err, ErrExhausted) {
					t.Errorf("total %d: %v", total, err)
				}
				break
			}
			held = append(held, s)
		}
		disjoint(t, held)
		if len(held) != l.Capacity() {
			t.Errorf("total %d: %d slices, capacity %d", total, len(held), l.Capacity())
		}
	}
}

// What any sequence of calls does, no ID is ever held twice.
func TestRandomTakesNeverOverlap(t *testing.T) {
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		l := openTest(t, 20000)
		var held []*Slice
		for step := range 150 {
			if len(held) > 0 && rnd.IntN(3) == 0 {
				i := rnd.IntN(len(held))
				if err := held[i].Release(); err != nil {
					t.Fatal(err)
				}
				held = append(held[:i], held[i+1:]...)
				continue
			}
			n := Need{Container: fmt.Sprintf("c%d", step), Image: fmt.Sprintf("i%d", rnd.IntN(4))}
			n.Size = []uint32{0, 0, 0, 10, 2000, 1056}[rnd.IntN(6)]
			for range rnd.IntN(30) {
				n.UIDs = append(n.UIDs, rnd.Uint32N(70000))
			}
			s, err := l.Take(t.Context(), n)
			if errors.Is(err, ErrExhausted) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, s)
			disjoint(t, held)
			for _, id := range n.UIDs {
				if _, ok := s.Map().Host(id); !ok {
					t.Fatalf("seed %d step %d: ID %d is not in slice %s", seed, step, id, s.ID)
				}
			}
		}
	}
}

func TestDamagedStateIsEmpty(t *testing.T) {
	for _, text := range []string{"", "{", "\x00\x00\x00", `{"image":7}`, `{"holders":[{"boot":"x"`} {
		l := openTest(t, stride)
		if err := os.WriteFile(l.path(0), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := l.Take(t.Context(), Need{Container: "c", Image: "i", UIDs: []uint32{65534}})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		release(t, s)
	}
}

func TestStoppedProcessDelaysNobody(t *testing.T) {
	l := openTest(t, 4*stride)
	c, err := l.waitCell(t.Context(), 1) // as a process stopped in the middle
	if err != nil {
		t.Fatal(err)
	}
	defer c.f.Close()
	a := mustTake(t, l, Need{Container: "a"})
	b := mustTake(t, l, Need{Container: "b"})
	disjoint(t, []*Slice{a, b})
	if _, err := l.Take(t.Context(), Need{Container: "c"}); !errors.Is(err, ErrExhausted) {
		t.Errorf("Take = %v, want ErrExhausted", err)
	}
}

func BenchmarkTakeRelease(b *testing.B) {
	l := openTest(b, 65536)
	n := Need{Container: "c", Image: "debian", UIDs: []uint32{1, 42, 65534}, GIDs: []uint32{42, 65534}}
	for b.Loop() {
		if err := mustTake(b, l, n).Release(); err != nil {
			b.Fatal(err)
		}
	}
}

// The last of 61 slices, 60 being held by containers of the same image.
func BenchmarkTakeLast(b *testing.B) {
	l := openTest(b, 65536)
	n := Need{Image: "debian", UIDs: []uint32{65534}}
	for i := range l.Capacity() - 1 {
		n.Container = fmt.Sprint("c", i)
		mustTake(b, l, n)
	}
	n.Container = "last"
	for b.Loop() {
		if err := mustTake(b, l, n).Release(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	l := openTest(b, 65536)
	for b.Loop() {
		if _, err := OpenLedger(l.dir, 65536, LedgerOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
