package idmap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/burrow-run/burrow/internal/sys"
)

// SliceRef names a slice, so that it can be taken again: a volume keeps one.
type SliceRef struct {
	First uint32 `json:"first"` // number of its first stride
	Count uint32 `json:"count"` // strides
	Size  uint32 `json:"size"`  // IDs in the block
}

// String is a name that serves as a file name: "7", or "7x4" if it is longer.
func (r SliceRef) String() string {
	if r.Count == 1 {
		return fmt.Sprintf("%d", r.First)
	}
	return fmt.Sprintf("%dx%d", r.First, r.Count)
}

// numbers are the strides of the slice.
func (r SliceRef) numbers() []uint32 {
	out := make([]uint32, r.Count)
	for i := range out {
		out[i] = r.First + uint32(i)
	}
	return out
}

// Slice is the IDs of one container, held until Release or until this process
// and the container's init process are gone.
type Slice struct {
	// ID is a name for directories. The same ID means the same block and the
	// same Extras, except after a power failure: a shift layer is to be named
	// by ShiftKey too.
	ID  string
	Ref SliceRef
	// Block is the anchor IDs of container IDs 0 to Block.Count-1.
	Block Range
	// Extras are the anchor IDs of single container IDs outside the block, as
	// users and as groups.
	Extras map[uint32]uint32

	ledger  *Ledger
	numbers []uint32 // of its strides
	mu      sync.Mutex
	hold    *os.File // whose locks hold the slice; nil once released
	holder  cellHolder
	done    chan struct{} // closed by Release
}

// pin keeps the hold open although nobody may refer to the slice any more: the
// garbage collector would close it, and so give the IDs away.
func (s *Slice) pin() {
	<-s.done
	runtime.KeepAlive(s)
}

// Record tells the ledger the container's init process. From then on the slice
// stays held while that process lives, whatever happens to this one. It is to
// be called before init executes anything of the image.
func (s *Slice) Record(ctx context.Context, init sys.ProcID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holder.Init = init
	for _, number := range s.numbers {
		err := update(
			func() (*cell, error) { return s.ledger.waitCell(ctx, number) },
			func(state *cellState) { state.add(s.holder) })
		if err != nil {
			return fmt.Errorf("record init process: %w", err)
		}
	}
	return nil
}

// Release gives the slice back; the container must have ended. A second call
// does nothing. An error means that the ledger still shows the container,
// though its IDs are free.
func (s *Slice) Release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hold == nil {
		return nil
	}
	var errs []error
	for _, number := range s.numbers {
		errs = append(errs, update(
			func() (*cell, error) { return s.ledger.soonCell(number) }, s.leave))
	}
	errs = append(errs, s.hold.Close()) // drops the locks
	s.hold = nil
	close(s.done)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("release slice: %w", err)
	}
	return nil
}

// leave strikes the container out, unless a successor has written itself in.
func (s *Slice) leave(state *cellState) {
	state.Holders = slices.DeleteFunc(state.Holders, func(h cellHolder) bool {
		return h.Container == s.holder.Container && h.Owner == s.holder.Owner && h.Init == s.holder.Init
	})
}

// File is the open file whose locks hold the slice, close-on-exec, or nil once
// released. A child that inherits it holds the slice too.
func (s *Slice) File() *os.File {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hold
}

// Strides are the numbers of the slice's strides, for Resume.
func (s *Slice) Strides() []uint32 { return s.numbers }

// Resume is a slice that this process holds since before it executed this program: of
// the container with this ID and init process. hold is what File was, and becomes the
// slice's. It can be released, and tells nothing else.
func (l *Ledger) Resume(container string, init sys.ProcID, strides []uint32, hold *os.File) *Slice {
	s := &Slice{
		ledger: l, numbers: strides, hold: hold, done: make(chan struct{}),
		holder: cellHolder{Container: container, Owner: l.self, Init: init},
	}
	go s.pin()
	return s
}
