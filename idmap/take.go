package idmap

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

// Take finds a free slice and holds it. The errors to expect are ErrExhausted
// and, for Exact, ErrHeld.
func (l *Ledger) Take(ctx context.Context, n Need) (*Slice, error) {
	if slices.Contains(n.UIDs, noID) || slices.Contains(n.GIDs, noID) {
		return nil, fmt.Errorf("take slice: %w: ID %d is no ID", ErrMap, uint32(noID))
	}
	if n.Exact != nil {
		return l.takeExact(ctx, n)
	}
	ref, need := l.shapeFor(n)
	for pause := time.Millisecond; ; pause *= 2 {
		s, err := l.search(n, ref)
		if s != nil || (err != nil && !errors.Is(err, errBusy)) {
			return s, err
		}
		// All are taken. If some were only being looked at, look again: at most
		// for a quarter of a second, as whoever is looking may be stopped.
		if err == nil || pause > 128*time.Millisecond {
			return nil, l.exhausted(need)
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
func (l *Ledger) search(n Need, ref SliceRef) (*Slice, error) {
	first, end := l.first(), l.strides()
	if uint64(first)+uint64(ref.Count) > uint64(end) {
		return nil, nil //nolint:nilnil // "none free"; Take says why
	}
	starts := end - first - ref.Count + 1
	busy := false
	try := func(number uint32, fresh bool) (*Slice, error) {
		if number < first || number-first >= starts {
			return nil, nil //nolint:nilnil // a hint from another time
		}
		ref.First = number
		s, err := l.tryTake(n, ref, fresh)
		if errors.Is(err, errBusy) {
			busy = true
			return nil, nil //nolint:nilnil // the next one may be free
		}
		return s, err
	}
	for _, number := range l.noted(n.Image) {
		if s, err := try(number, false); s != nil || err != nil {
			return s, err
		}
	}
	begin := uint32(imageHash(n.Image) % uint64(starts))
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
func (l *Ledger) tryTake(n Need, ref SliceRef, fresh bool) (*Slice, error) {
	var cells []*cell
	give := func(err error) (*Slice, error) {
		for _, c := range cells {
			c.f.Close()
		}
		return nil, err
	}
	for _, number := range ref.numbers() {
		c, err := l.openFree(number)
		if c == nil {
			return give(err)
		}
		cells = append(cells, c)
		foreign := fresh && c.state.Image != "" && c.state.Image != n.Image
		if foreign || len(c.state.live(l.boot, false)) > 0 || l.isKept(number) {
			return give(nil)
		}
		c.state.Holders = nil
	}
	s, err := l.hold(n, ref, cells, kept{})
	if err != nil {
		return give(err)
	}
	return s, nil
}

// takeExact takes a named slice, which others may hold already.
func (l *Ledger) takeExact(ctx context.Context, n Need) (*Slice, error) {
	ref := *n.Exact
	if ref.Count == 0 || uint64(ref.First)+uint64(ref.Count) > uint64(l.strides()) ||
		uint64(ref.Size) > uint64(l.span(ref.First, ref.Count).Count) {
		return nil, fmt.Errorf("take slice %s: %w: not among the %d IDs of this user", ref, ErrHeld, l.total)
	}
	var cells []*cell
	give := func(err error) (*Slice, error) {
		for _, c := range cells {
			c.f.Close()
		}
		return nil, fmt.Errorf("take slice %s: %w", ref, err)
	}
	for _, number := range ref.numbers() {
		c, err := l.waitCell(ctx, number)
		if err != nil {
			return give(err)
		}
		cells = append(cells, c)
	}
	k, err := l.readKept(ref.First)
	if err != nil {
		return give(err)
	}
	if len(k.Owners) > 0 && k.Slice != ref {
		return give(fmt.Errorf("%w by %s as slice %s", ErrHeld, k.Owners[0], k.Slice))
	}
	for _, c := range cells {
		if err := l.mayShare(n, ref, c, len(k.Owners) > 0); err != nil {
			return give(err)
		}
	}
	s, err := l.hold(n, ref, cells, k)
	if err != nil {
		return give(err)
	}
	return s, nil
}

// mayShare refuses a stride that strangers hold: the caller's knowledge of who
// owns the slice may be older than the ledger's.
func (l *Ledger) mayShare(n Need, ref SliceRef, c *cell, isKept bool) error {
	locked, err := c.locked()
	if err != nil {
		return err
	}
	c.state.Holders = c.state.live(l.boot, locked)
	if locked && len(c.state.Holders) == 0 {
		return fmt.Errorf("%w by a process that is not recorded", ErrHeld)
	}
	for _, h := range c.state.Holders {
		known := isKept || h.Container == n.Container || slices.Contains(n.Peers, h.Container)
		if !known || h.Ref != ref {
			err := fmt.Errorf("%w by %s", ErrHeld, h.Container)
			return hint.New(err, "burrow stop "+h.Container)
		}
	}
	return nil
}

// hold makes the slice ours. The cells are locked and may be taken.
func (l *Ledger) hold(n Need, ref SliceRef, cells []*cell, k kept) (*Slice, error) {
	head := cells[0]
	shared := len(head.state.Holders) > 0 || len(k.Owners) > 0
	before := len(k.Extras)
	if len(k.Owners) > 0 {
		head.state.Shape = shape{ref.Count, ref.Size, head.state.Shape.Generation}
		head.state.Extras = k.Extras
	}
	span := l.span(ref.First, ref.Count)
	if err := head.state.assign(ref, span, n.outside(ref.Size), !shared); err != nil {
		return nil, err
	}
	if len(k.Owners) > 0 && len(head.state.Extras) != before {
		k.Extras = head.state.Extras
		if err := l.writeKept(k); err != nil {
			return nil, err
		}
	}
	s := &Slice{
		ID: ref.String(), Ref: ref, Block: Range{span.Start, ref.Size},
		Extras: map[uint32]uint32{}, ledger: l, cells: cells, done: make(chan struct{}),
		holder: cellHolder{Container: n.Container, Ref: ref, Image: n.Image, Boot: l.boot, Owner: l.self},
	}
	if g := head.state.Shape.Generation; g > 0 {
		s.ID += fmt.Sprintf("g%d", g)
	}
	if shared { // data of the others shall have owners here too
		s.Extras = maps.Clone(head.state.Extras)
	}
	for _, id := range n.outside(ref.Size) {
		s.Extras[id] = head.state.Extras[id]
	}
	if err := l.settle(n, s); err != nil {
		return nil, err
	}
	go s.pin()
	return s, nil
}

// settle writes the holder down and exchanges the lock on the content for the
// hold. On an error the caller closes the files, which undoes both.
func (l *Ledger) settle(n Need, s *Slice) error {
	known := s.cells[0].state.Image == n.Image || slices.Contains(l.noted(n.Image), s.Ref.First)
	for _, c := range s.cells {
		c.state.Image = n.Image
		c.state.add(s.holder)
		if err := sys.TryLockByte(c.f, lockHold, sys.LockShared); err != nil {
			return err
		}
		if err := c.write(); err != nil {
			return err
		}
	}
	for _, c := range s.cells {
		if err := c.unlock(); err != nil {
			return err
		}
	}
	if !known && n.Image != "" {
		l.note(n.Image, s.Ref.First)
	}
	return nil
}

// assign gives the single container IDs anchor IDs behind the block. What was
// given once stays, whatever image it was for, so that layers and volumes
// written for the slice keep their owners. Only if there is no room, and
// mayReset, everything begins anew.
func (s *cellState) assign(ref SliceRef, span Range, ids []uint32, mayReset bool) error {
	if want := (shape{ref.Count, ref.Size, s.Shape.Generation}); s.Shape != want {
		if len(s.Extras) > 0 {
			want.Generation++
		}
		s.Shape, s.Extras = want, nil
	}
	out := maps.Clone(s.Extras)
	if out == nil {
		out = map[uint32]uint32{}
	}
	used := map[uint32]bool{}
	for _, anchor := range out {
		used[anchor] = true
	}
	next := uint64(span.Start) + uint64(ref.Size)
	for _, id := range ids {
		if _, has := out[id]; has {
			continue
		}
		for used[uint32(next)] {
			next++
		}
		if next >= span.end() {
			if !mayReset || len(s.Extras) == 0 {
				return fmt.Errorf("%w: slice %s has no ID left for %d", ErrExhausted, ref, id)
			}
			s.Shape.Generation++
			s.Extras = nil
			return s.assign(ref, span, ids, false)
		}
		out[id] = uint32(next)
		next++
	}
	s.Extras = out
	return nil
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
