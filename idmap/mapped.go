package idmap

import (
	"context"
	"fmt"
	"slices"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// maxMapped bounds the strides, and so the open files, of one TakeMapped.
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
	s := &Slice{
		ledger: l, done: make(chan struct{}),
		holder: cellHolder{Container: container, Boot: l.boot, Owner: l.self, Mapped: true},
	}
	if len(numbers) > 0 {
		first, last := numbers[0], numbers[len(numbers)-1]
		s.Ref = SliceRef{First: first, Count: last - first + 1}
		s.holder.Ref = s.Ref
	}
	for _, number := range numbers {
		c, err := l.waitCell(ctx, number)
		if err == nil {
			s.cells = append(s.cells, c)
			err = l.addMapped(c, s.holder)
		}
		if err != nil {
			for _, c := range s.cells {
				c.f.Close()
			}
			return nil, fmt.Errorf("hold mapped IDs: %w", err)
		}
	}
	go s.pin()
	return s, nil
}

// addMapped holds one stride, of which the content is locked.
func (l *Ledger) addMapped(c *cell, h cellHolder) error {
	locked, err := c.locked()
	if err != nil {
		return err
	}
	c.state.Holders = c.state.live(l.boot, locked)
	for _, o := range c.state.Holders {
		if !o.Mapped && o.Container != h.Container {
			err := fmt.Errorf("%w by %s: anchor IDs %s", ErrHeld, o.Container, l.span(c.number, 1))
			return hint.New(err, "burrow ids shows which IDs are free to map")
		}
	}
	c.state.add(h)
	if err := sys.TryLockByte(c.f, lockHold, sys.LockShared); err != nil {
		return err
	}
	if err := c.write(); err != nil {
		return err
	}
	return c.unlock()
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
