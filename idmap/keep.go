package idmap

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/burrow-run/burrow/internal/sys"
)

// kept is the content of NUMBER.kept.
type kept struct {
	Slice  SliceRef          `json:"slice"`
	Owners []string          `json:"owners"`
	Extras map[uint32]uint32 `json:"extras,omitempty"`
}

func (l *Ledger) keptPath(number uint32) string { return l.path(number) + ".kept" }

// readKept says who keeps a stride; nobody is the zero value.
func (l *Ledger) readKept(number uint32) (kept, error) {
	text, err := os.ReadFile(l.keptPath(number))
	if errors.Is(err, os.ErrNotExist) {
		return kept{}, nil
	}
	if err != nil {
		return kept{}, fmt.Errorf("read kept slice: %w", err)
	}
	var k kept
	if err := json.Unmarshal(text, &k); err != nil {
		return kept{}, fmt.Errorf("read kept slice %s: %w", l.keptPath(number), err)
	}
	return k, nil
}

// writeKept is durable, as the data is whose owner it names.
func (l *Ledger) writeKept(k kept) error {
	text, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("bug: encode kept slice: %w", err)
	}
	for _, number := range k.Slice.numbers() {
		path := l.keptPath(number)
		if err := sys.ReplaceFile(path+".tmp", path, append(text, '\n'), true); err != nil {
			return fmt.Errorf("keep slice: %w", err)
		}
	}
	return sys.SyncDir(l.dir)
}

// Keep makes a slice that is held belong to owner ("volume pgdata") until
// Unkeep, across reboots. Others then get it only by asking for it exactly.
// Several owners may keep one slice.
func (s *Slice) Keep(owner string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hold == nil {
		return errors.New("bug: keep a slice that was released")
	}
	head, err := s.ledger.soonCell(s.Ref.First)
	if err != nil {
		return fmt.Errorf("keep slice: %w", err)
	}
	defer head.f.Close()
	k, err := s.ledger.readKept(s.Ref.First)
	if err != nil || slices.Contains(k.Owners, owner) {
		return err
	}
	k.Slice, k.Extras = s.Ref, head.state.Extras
	k.Owners = append(k.Owners, owner)
	return s.ledger.writeKept(k)
}

// Unkeep ends what Keep began. It is no error if owner did not keep the slice.
func (l *Ledger) Unkeep(ref SliceRef, owner string) error {
	head, err := l.soonCell(ref.First)
	if err != nil {
		return fmt.Errorf("give up slice: %w", err)
	}
	defer head.f.Close()
	k, err := l.readKept(ref.First)
	if err != nil {
		return err
	}
	if !slices.Contains(k.Owners, owner) {
		return nil
	}
	k.Owners = slices.DeleteFunc(k.Owners, func(o string) bool { return o == owner })
	if len(k.Owners) > 0 {
		return l.writeKept(k)
	}
	for _, number := range slices.Backward(k.Slice.numbers()) { // the first one names the rest: last
		if err := os.Remove(l.keptPath(number)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("give up slice: %w", err)
		}
	}
	return nil
}
