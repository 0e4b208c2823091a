package unpack

import (
	"fmt"
	"sync/atomic"
)

// Limits bound one layer. A zero field is no bound.
type Limits struct {
	Entries int64 // tar entries
	Bytes   int64 // of the unpacked files
	// Free and Ratio stop bombs: unpacked bytes may reach Free, and beyond it
	// Ratio times the bytes read from the compressed stream.
	Free, Ratio int64
}

// DefaultLimits let every layer pass that anyone has published for use. The
// best gzip can do is about 1030:1; large data that real layers hold, models
// and binaries, is below 20:1.
func DefaultLimits() Limits {
	return Limits{Entries: 4_000_000, Free: 1 << 30, Ratio: 200}
}

// meter counts against Limits.
type meter struct {
	limits  Limits
	in      *atomic.Int64 // compressed bytes read so far
	entries int64
	bytes   int64
}

func (m *meter) entry() error {
	m.entries++
	if m.limits.Entries > 0 && m.entries > m.limits.Entries {
		return fmt.Errorf("%w: more than %d entries", ErrLimit, m.limits.Entries)
	}
	return nil
}

func (m *meter) add(n int) error {
	m.bytes += int64(n)
	if m.limits.Bytes > 0 && m.bytes > m.limits.Bytes {
		return fmt.Errorf("%w: more than %d bytes", ErrLimit, m.limits.Bytes)
	}
	if m.limits.Ratio > 0 && m.bytes > m.limits.Free && (m.bytes-m.limits.Free)/m.limits.Ratio > m.in.Load() {
		return fmt.Errorf("%w: it expands more than %d times", ErrLimit, m.limits.Ratio)
	}
	return nil
}
