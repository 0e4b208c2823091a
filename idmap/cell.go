package idmap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// cell is the file of one stride while its content is locked, and what was
// read from it. Closing it unlocks the content.
type cell struct {
	f      *os.File
	number uint32
	state  cellState
}

// cellState is the content of a stride's file. It describes running things, so
// what cannot be read counts as empty.
type cellState struct {
	Image   string            `json:"image,omitempty"` // last served
	Shape   shape             `json:"shape"`           // of the slice that begins here
	Extras  map[uint32]uint32 `json:"extras,omitempty"`
	Holders []cellHolder      `json:"holders,omitempty"`
}

// shape is what the single IDs of a slice depend on. Another shape, or running
// out of spare IDs, starts a new generation of them.
type shape struct {
	Count      uint32 `json:"count"` // strides
	Size       uint32 `json:"size"`  // IDs in the block
	Generation uint32 `json:"generation,omitempty"`
}

type cellHolder struct {
	Container string     `json:"container"`
	Ref       SliceRef   `json:"slice"`
	Image     string     `json:"image,omitempty"`
	Boot      string     `json:"boot"`
	Owner     sys.ProcID `json:"owner"`            // holds the lock
	Init      sys.ProcID `json:"init"`             // of the container, once recorded
	Mapped    bool       `json:"mapped,omitempty"` // by TakeMapped
}

// openCell opens a stride's file and locks its content, or says errBusy.
func (l *Ledger) openCell(number uint32) (*cell, error) {
	return l.cellFile(number, func(c *cell) error {
		err := sys.TryLockByte(c.f, 0, sys.LockExclusive)
		if errors.Is(err, unix.EAGAIN) {
			return errBusy
		}
		return err
	})
}

// waitCell opens a stride's file and waits for its content.
func (l *Ledger) waitCell(ctx context.Context, number uint32) (*cell, error) {
	return l.cellFile(number, func(c *cell) error { return c.lock(ctx) })
}

// soonCell is waitCell for those who have no context: it gives up after a
// while.
func (l *Ledger) soonCell(number uint32) (*cell, error) {
	return l.cellFile(number, func(c *cell) error {
		for try := 0; ; try++ {
			err := sys.TryLockByte(c.f, 0, sys.LockExclusive)
			if !errors.Is(err, unix.EAGAIN) || try == 100 {
				return err
			}
			time.Sleep(time.Millisecond)
		}
	})
}

func (l *Ledger) cellFile(number uint32, lock func(*cell) error) (*cell, error) {
	f, err := os.OpenFile(l.path(number), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open slice: %w", err)
	}
	c := &cell{f: f, number: number}
	if err = lock(c); err == nil {
		c.state, err = readState(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return c, nil
}

// lock waits for the content. Whoever has it needs microseconds, unless it was
// stopped, hence the pauses rather than a wait that nothing ends.
func (c *cell) lock(ctx context.Context) error {
	for pause := 50 * time.Microsecond; ; pause = min(2*pause, 20*time.Millisecond) {
		err := sys.TryLockByte(c.f, 0, sys.LockExclusive)
		if !errors.Is(err, unix.EAGAIN) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("lock slice: %w", context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

func readState(f *os.File) (cellState, error) {
	buf := make([]byte, 2048)
	n, err := f.ReadAt(buf, 0)
	for err == nil {
		buf = append(buf, make([]byte, len(buf))...)
		var m int
		m, err = f.ReadAt(buf[n:], int64(n))
		n += m
	}
	if !errors.Is(err, io.EOF) {
		return cellState{}, fmt.Errorf("read slice: %w", err)
	}
	if n == 0 {
		return cellState{}, nil
	}
	var s cellState
	// The first value counts: a shorter text over a longer one may have lost
	// its race with SIGKILL before the end was cut off.
	if err := json.NewDecoder(bytes.NewReader(buf[:n])).Decode(&s); err != nil {
		return cellState{}, nil //nolint:nilerr // lost to a power failure, as are the locks
	}
	return s, nil
}

// write stores the content in place: one write, which works on a full disk.
func (c *cell) write() error {
	text, err := json.Marshal(c.state)
	if err != nil {
		return fmt.Errorf("bug: encode slice: %w", err)
	}
	text = append(text, '\n')
	if _, err := c.f.WriteAt(text, 0); err != nil {
		return fmt.Errorf("write slice: %w", err)
	}
	if err := c.f.Truncate(int64(len(text))); err != nil {
		return fmt.Errorf("write slice: %w", err)
	}
	return nil
}

// update changes the content of a stride's file that open opens.
func update(open func() (*cell, error), change func(*cellState)) error {
	c, err := open()
	if err != nil {
		return err
	}
	change(&c.state)
	return errors.Join(c.write(), c.f.Close())
}

// live returns the holders that have not gone. locked says
// that somebody locks the stride.
// A lock whose owner is gone was handed on: then the recorded ones stand.
func (s *cellState) live(boot string, locked bool) []cellHolder {
	var sure, recorded []cellHolder
	for _, h := range s.Holders {
		if h.Boot != boot {
			continue
		}
		recorded = append(recorded, h)
		if h.Init.Alive() || (locked && h.Owner.Alive()) {
			sure = append(sure, h)
		}
	}
	if locked && len(sure) == 0 {
		return recorded
	}
	return sure
}

// add puts h in the place of what the same container had.
func (s *cellState) add(h cellHolder) {
	s.drop(h.Container)
	s.Holders = append(s.Holders, h)
}

func (s *cellState) drop(container string) {
	var out []cellHolder
	for _, h := range s.Holders {
		if h.Container != container {
			out = append(out, h)
		}
	}
	s.Holders = out
}
