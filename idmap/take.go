package idmap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// Need is what a container asks of the ledger.
type Need struct {
	// Container is who will hold the slice.
	Container string
	// Image is any stable name: its last slice is preferred, so that the shift
	// layer made for it is used again.
	Image string
	// UIDs and GIDs are the container IDs that must exist. Those inside the
	// block do anyway.
	UIDs, GIDs []uint32
	// Size is the block; 0 is 1,024.
	Size uint32
	// Exact asks for this very slice, which its volume keeps, or which the
	// containers named in Peers hold: pods and --volumes-from share one.
	Exact *SliceRef
	Peers []string
}

// outside are the container IDs that the block of the given size lacks.
func (n Need) outside(size uint32) []uint32 {
	var out []uint32
	for _, id := range slices.Concat(n.UIDs, n.GIDs) {
		if id >= size {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// errBusy says that another process is just now changing a stride.
var errBusy = errors.New("stride is being changed")

// taker is one call of Take.
type taker struct {
	*Ledger
	need Need
	hold *os.File // becomes the slice's
}

// Take finds a free slice and holds it. The errors to expect are ErrExhausted
// and, for Exact, ErrHeld.
func (l *Ledger) Take(ctx context.Context, n Need) (*Slice, error) {
	if slices.Contains(n.UIDs, noID) || slices.Contains(n.GIDs, noID) {
		return nil, fmt.Errorf("take slice: %w: ID %d is no ID", ErrMap, uint32(noID))
	}
	hold, err := l.openHolds()
	if err != nil {
		return nil, err
	}
	t := taker{Ledger: l, need: n, hold: hold}
	take := t.takeAny
	if n.Exact != nil {
		take = t.takeExact
	}
	s, err := take(ctx)
	if err != nil {
		hold.Close()
		return nil, err
	}
	go s.pin()
	return s, nil
}

// takeAny searches until a slice is found or nobody is just giving one away.
func (t *taker) takeAny(ctx context.Context) (*Slice, error) {
	ref, ids := t.shapeFor(t.need)
	for pause := time.Millisecond; ; pause *= 2 {
		s, err := t.search(ref)
		if s != nil || (err != nil && !errors.Is(err, errBusy)) {
			return s, err
		}
		// All are taken. If some were only being looked at, look again: at most
		// for a quarter of a second, as whoever is looking may be stopped.
		if err == nil || pause > 128*time.Millisecond {
			return nil, t.exhausted(ids)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("take slice: %w", context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// shapeFor computes how many strides a need takes, and how many IDs.
func (l *Ledger) shapeFor(n Need) (SliceRef, uint64) {
	size := n.Size
	if size == 0 {
		size = blockSize
		if l.total < stride {
			size = l.total - min(spareSize, l.total/4)
		}
	}
	ids := uint64(size) + uint64(len(n.outside(size)))
	if l.total < stride {
		if ids <= uint64(l.total) {
			return SliceRef{Count: 1, Size: size}, ids
		}
		return SliceRef{Count: 2, Size: size}, ids // more than there are
	}
	return SliceRef{Count: uint32((ids + stride - 1) / stride), Size: size}, ids
}

// search tries the strides that the image used before, then a few that no
// image has used, then all. Neither a slice nor an error is "none free".
func (t *taker) search(ref SliceRef) (*Slice, error) {
	first, end := t.first(), t.strides()
	if uint64(first)+uint64(ref.Count) > uint64(end) {
		return nil, nil //nolint:nilnil // "none free"; takeAny says why
	}
	starts := end - first - ref.Count + 1
	busy := false
	try := func(number uint32, fresh bool) (*Slice, error) {
		if number < first || number-first >= starts {
			return nil, nil //nolint:nilnil // a hint from another time
		}
		ref.First = number
		s, err := t.tryTake(ref, fresh)
		if errors.Is(err, errBusy) {
			busy = true
			return nil, nil //nolint:nilnil // the next one may be free
		}
		return s, err
	}
	for _, number := range t.noted(t.need.Image) {
		if s, err := try(number, false); s != nil || err != nil {
			return s, err
		}
	}
	begin := uint32(imageHash(t.need.Image) % uint64(starts))
	for i := range min(starts, probes) {
		if s, err := try(first+(begin+i)%starts, true); s != nil || err != nil {
			return s, err
		}
	}
	for i := range starts {
		if s, err := try(first+(begin+i)%starts, false); s != nil || err != nil {
			return s, err
		}
	}
	if busy {
		return nil, errBusy
	}
	return nil, nil //nolint:nilnil // "none free"
}

// tryTake takes the slice if all its strides are free. fresh refuses those
// that have served another image.
func (t *taker) tryTake(ref SliceRef, fresh bool) (*Slice, error) {
	var cells []*cell
	defer func() { closeAll(cells) }()
	for _, number := range ref.numbers() {
		if held, err := t.held(number); held || err != nil {
			return nil, err // mostly here, and cheaply
		}
		c, err := t.openCell(number)
		if err != nil {
			return nil, err
		}
		cells = append(cells, c)
		// Nobody can take it any more: look again, thoroughly.
		if held, err := t.held(number); held || err != nil {
			return nil, err
		}
		foreign := fresh && c.state.Image != "" && c.state.Image != t.need.Image
		if foreign || len(c.state.live(t.boot, false)) > 0 || t.isKept(number) {
			return nil, nil //nolint:nilnil // not free
		}
		c.state.Holders = nil
	}
	return t.grant(ref, cells, kept{})
}

// held says whether somebody else's lock is on the stride.
func (t *taker) held(number uint32) (bool, error) {
	return sys.OthersLockByte(t.hold, int64(number))
}

func closeAll(cells []*cell) {
	for _, c := range cells {
		c.f.Close()
	}
}

// exhausted says who has all the IDs.
func (l *Ledger) exhausted(need uint64) error {
	u, err := l.Usage()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrExhausted, err)
	}
	e := &ExhaustedError{Needed: need, Free: uint64(u.Free) * stride, Total: l.total, Holders: u.Holders}
	return hint.New(e, "burrow ids shows who holds them; more can be added with usermod --add-subuids and --add-subgids")
}

func (l *Ledger) isKept(number uint32) bool {
	_, err := os.Lstat(l.keptPath(number))
	return err == nil
}
