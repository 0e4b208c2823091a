package idmap

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// takeExact takes a named slice, which others may hold already.
func (t *taker) takeExact(ctx context.Context) (*Slice, error) {
	ref := *t.need.Exact
	if ref.Count == 0 || uint64(ref.First)+uint64(ref.Count) > uint64(t.strides()) ||
		uint64(ref.Size) > uint64(t.span(ref.First, ref.Count).Count) {
		return nil, fmt.Errorf("take slice %s: %w: not among the %d IDs of this user", ref, ErrHeld, t.total)
	}
	var cells []*cell
	defer func() { closeAll(cells) }()
	for _, number := range ref.numbers() {
		c, err := t.waitCell(ctx, number)
		if err != nil {
			return nil, fmt.Errorf("take slice %s: %w", ref, err)
		}
		cells = append(cells, c)
	}
	k, err := t.readKept(ref.First)
	if err != nil {
		return nil, err
	}
	if len(k.Owners) > 0 && k.Slice != ref {
		return nil, fmt.Errorf("take slice %s: %w by %s as slice %s", ref, ErrHeld, k.Owners[0], k.Slice)
	}
	for _, c := range cells {
		if err := t.mayShare(ref, c, len(k.Owners) > 0); err != nil {
			return nil, fmt.Errorf("take slice %s: %w", ref, err)
		}
	}
	return t.grant(ref, cells, k)
}

// mayShare refuses a stride that strangers hold: the caller's knowledge of who
// owns the slice may be older than the ledger's.
func (t *taker) mayShare(ref SliceRef, c *cell, isKept bool) error {
	locked, err := t.held(c.number)
	if err != nil {
		return err
	}
	c.state.Holders = c.state.live(t.boot, locked)
	if locked && len(c.state.Holders) == 0 {
		return fmt.Errorf("%w by a process that is not recorded", ErrHeld)
	}
	for _, h := range c.state.Holders {
		known := isKept || h.Container == t.need.Container || slices.Contains(t.need.Peers, h.Container)
		if !known || h.Ref != ref {
			err := fmt.Errorf("%w by %s", ErrHeld, h.Container)
			return hint.New(err, "burrow stop "+h.Container)
		}
	}
	return nil
}

// grant makes the slice the taker's. The cells are locked, and may be taken.
func (t *taker) grant(ref SliceRef, cells []*cell, k kept) (*Slice, error) {
	head, outside := &cells[0].state, t.need.outside(ref.Size)
	shared := len(head.Holders) > 0 || len(k.Owners) > 0
	span := t.span(ref.First, ref.Count)
	if len(k.Owners) > 0 {
		head.Shape = shape{ref.Count, ref.Size, head.Shape.Generation}
		head.Extras = k.Extras
	}
	if err := head.assign(ref, span, outside, !shared); err != nil {
		return nil, err
	}
	if len(k.Owners) > 0 && len(head.Extras) != len(k.Extras) {
		k.Extras = head.Extras
		if err := t.writeKept(k); err != nil {
			return nil, err
		}
	}
	s := &Slice{
		ID: ref.String(), Ref: ref, Block: Range{span.Start, ref.Size}, Extras: map[uint32]uint32{},
		ledger: t.Ledger, numbers: ref.numbers(), hold: t.hold, done: make(chan struct{}),
		holder: cellHolder{
			Container: t.need.Container, Ref: ref, Image: t.need.Image, Boot: t.boot, Owner: t.self,
		},
	}
	if g := head.Shape.Generation; g > 0 {
		s.ID += fmt.Sprintf("g%d", g)
	}
	if shared { // data of the others shall have owners here too
		s.Extras = maps.Clone(head.Extras)
	}
	for _, id := range outside {
		s.Extras[id] = head.Extras[id]
	}
	return s, t.settle(s, cells)
}

// settle writes the holder down and locks the strides. On an error the caller
// closes the hold, which undoes it; the holder written down is then not alive.
func (t *taker) settle(s *Slice, cells []*cell) error {
	image := t.need.Image
	known := image == "" || cells[0].state.Image == image || slices.Contains(t.noted(image), s.Ref.First)
	for _, c := range cells {
		c.state.Image = image
		c.state.add(s.holder)
		if err := sys.TryLockByte(t.hold, int64(c.number), sys.LockShared); err != nil {
			return err
		}
		if err := c.write(); err != nil {
			return err
		}
	}
	if !known {
		t.note(image, s.Ref.First)
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
