package idmap

import (
	"context"
	"fmt"
	"slices"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// maxMapped bounds the strides, and so the work, of one TakeMapped.
const maxMapped = 512

// TakeMapped holds the anchor IDs of maps that were given by hand, so that no
// slice is made of them. Containers mapped by hand may share IDs, as their
// user wrote; IDs of a slice that somebody holds are ErrHeld. The Slice has no
// Block: only Record and Release are of use.
func (l *Ledger) TakeMapped(ctx context.Context, container string, uid, gid Map) (*Slice, error) {
	numbers, err := l.stridesOf(uid, gid)
	if err != nil {
		return nil, fmt.Errorf("hold mapped IDs: %w", err)
	}
	hold, err := l.openHolds()
	if err != nil {
		return nil, err
	}
	s := &Slice{
		ledger: l, numbers: numbers, hold: hold, done: make(chan struct{}),
		holder: cellHolder{Container: container, Boot: l.boot, Owner: l.self, Mapped: true},
	}
	if len(numbers) > 0 {
		first, last := numbers[0], numbers[len(numbers)-1]
		s.Ref = SliceRef{First: first, Count: last - first + 1}
		s.holder.Ref = s.Ref
	}
	for _, number := range numbers {
		if err := s.addMapped(ctx, number); err != nil {
			hold.Close()
			return nil, fmt.Errorf("hold mapped IDs: %w", err)
		}
	}
	go s.pin()
	return s, nil
}

// addMapped holds one stride.
func (s *Slice) addMapped(ctx context.Context, number uint32) error {
	l := s.ledger
	c, err := l.waitCell(ctx, number)
	if err != nil {
		return err
	}
	defer c.f.Close()
	locked, err := sys.OthersLockByte(s.hold, int64(number))
	if err != nil {
		return err
	}
	c.state.Holders = c.state.live(l.boot, locked)
	for _, o := range c.state.Holders {
		if !o.Mapped && o.Container != s.holder.Container {
			err := fmt.Errorf("%w by %s: anchor IDs %s", ErrHeld, o.Container, l.span(number, 1))
			return hint.New(err, "burrow ids shows which IDs are free to map")
		}
	}
	if err := sys.TryLockByte(s.hold, int64(number), sys.LockShared); err != nil {
		return err
	}
	c.state.add(s.holder)
	return c.write()
}

// stridesOf lists the strides that maps reach into, ascending.
func (l *Ledger) stridesOf(ms ...Map) ([]uint32, error) {
	var out []uint32
	for _, e := range slices.Concat(ms...) {
		r := e.outer()
		if n := (r.end()-1)/stride - uint64(r.Start)/stride; n > maxMapped {
			return nil, fmt.Errorf("%w: %d IDs mapped by hand, at most %d can be held", ErrMap, r.Count, maxMapped*stride)
		}
		for id := uint64(r.Start); id < r.end(); id++ {
			number, ok := l.strideOf(uint32(id))
			if ok && number >= l.first() {
				out = append(out, number)
				id = l.span(number, 1).end() - 1 // the rest of it is the same
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
