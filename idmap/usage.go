package idmap

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/internal/sys"
)

// Holder is one container that holds a slice, or one volume that keeps one.
type Holder struct {
	Slice     SliceRef `json:"slice"`
	IDs       Range    `json:"anchor_ids"`          // all of the slice
	Container string   `json:"container,omitempty"` // or
	Kept      string   `json:"kept_by,omitempty"`
	Image     string   `json:"image,omitempty"`
	PID       int      `json:"pid,omitempty"`   // of the container's init
	Owner     int      `json:"owner,omitempty"` // pid of its supervisor, if that lives
	// Extras are the anchor IDs of the slice's single container IDs.
	Extras map[uint32]uint32 `json:"extras,omitempty"`
}

// Name is the container or the volume.
func (h Holder) Name() string {
	if h.Container != "" {
		return h.Container
	}
	return h.Kept
}

// Usage is the state of the ledger at a moment.
type Usage struct {
	Total   uint32   `json:"total"`    // anchor IDs
	Slices  int      `json:"slices"`   // that fit, of the default size
	Free    int      `json:"free"`     // of these
	Holders []Holder `json:"holders"`  // by slice
	FreeIDs []Range  `json:"free_ids"` // anchor IDs of the free slices
}

// Usage reads the ledger, disturbing nobody.
func (l *Ledger) Usage() (Usage, error) {
	u := Usage{Total: l.total, Slices: l.Capacity()}
	entries, err := os.ReadDir(l.dir)
	if err != nil {
		return u, fmt.Errorf("list slices: %w", err)
	}
	hold, err := l.openHolds()
	if err != nil {
		return u, err
	}
	defer hold.Close()
	used := map[uint32]bool{}
	for _, e := range entries {
		name, isKept := strings.CutSuffix(e.Name(), ".kept")
		number, err := strconv.ParseUint(name, 10, 32)
		if err != nil || uint32(number) < l.first() || uint32(number) >= l.strides() {
			continue
		}
		var hs []Holder
		var taken bool
		if isKept {
			hs, taken, err = l.keptBy(uint32(number))
		} else {
			hs, taken, err = l.heldBy(hold, uint32(number))
		}
		if err != nil {
			return u, err
		}
		if taken {
			used[uint32(number)] = true
		}
		u.Holders = append(u.Holders, hs...)
	}
	slices.SortStableFunc(u.Holders, func(a, b Holder) int {
		return int(int64(a.Slice.First) - int64(b.Slice.First))
	})
	u.Free = u.Slices - len(used)
	next := l.first()
	for _, number := range append(slices.Sorted(maps.Keys(used)), l.strides()) {
		if number > next {
			u.FreeIDs = append(u.FreeIDs, l.span(next, number-next))
		}
		next = number + 1
	}
	return u, nil
}

// List is who holds or keeps a slice, by slice.
func (l *Ledger) List() ([]Holder, error) {
	u, err := l.Usage()
	return u.Holders, err
}

// Find says which slice an anchor ID belongs to and who holds or keeps it.
func (l *Ledger) Find(anchorID uint32) ([]Holder, error) {
	number, ok := l.strideOf(anchorID)
	if !ok {
		return nil, nil
	}
	all, err := l.List()
	return slices.DeleteFunc(all, func(h Holder) bool {
		return number < h.Slice.First || number-h.Slice.First >= h.Slice.Count
	}), err
}

// Reserved are the anchor IDs that no container gets, as image layers use them.
func (l *Ledger) Reserved() Range { return l.span(0, l.first()) }

// heldBy lists the containers whose slice begins at the stride. taken says
// that the stride is in use, as part of some slice.
func (l *Ledger) heldBy(hold *os.File, number uint32) (hs []Holder, taken bool, err error) {
	f, err := os.Open(l.path(number))
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("list slices: %w", err)
	}
	defer f.Close()
	locked, err := sys.OthersLockByte(hold, int64(number))
	if err != nil {
		return nil, false, err
	}
	// Without a lock on the content it may be half written: then look again.
	var state cellState
	for try := 0; try < 3 && (try == 0 || (locked && len(state.Holders) == 0)); try++ {
		if state, err = readState(f); err != nil {
			return nil, false, err
		}
	}
	live := state.live(l.boot, locked)
	for _, h := range live {
		if h.Ref.First != number {
			continue
		}
		out := Holder{
			Slice: h.Ref, IDs: l.span(h.Ref.First, h.Ref.Count), Container: h.Container,
			Image: h.Image, PID: h.Init.PID, Extras: state.Extras,
		}
		if h.Owner.Alive() {
			out.Owner = h.Owner.PID
		}
		hs = append(hs, out)
	}
	return hs, locked || len(live) > 0, nil
}

// keptBy lists the owners of a kept slice that begins at the stride.
func (l *Ledger) keptBy(number uint32) (hs []Holder, taken bool, err error) {
	k, err := l.readKept(number)
	if err != nil {
		return nil, false, err
	}
	for _, owner := range k.Owners {
		if k.Slice.First == number {
			hs = append(hs, Holder{
				Slice: k.Slice, IDs: l.span(number, k.Slice.Count), Kept: owner, Extras: k.Extras,
			})
		}
	}
	return hs, true, nil
}
