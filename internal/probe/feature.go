package probe

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// Feature is one thing that the kernel or the host's policy allows or not.
type Feature struct {
	// Name is what a person calls it.
	Name string
	// Since is the Linux version that brought it, for messages only.
	Since string

	try    func() error
	forced atomic.Pointer[answer]
}

type answer struct{ err error }

// newFeature returns a feature whose trial runs on the first question.
func newFeature(name, since string, trial func() error) *Feature {
	f := &Feature{Name: name, Since: since}
	f.try = sync.OnceValue(func() error {
		err := trial()
		if err == nil {
			return nil
		}
		return fmt.Errorf("%s: %w: %w", name, ErrNotSupported, err)
	})
	return f
}

// Err returns nil where the feature works, and otherwise an error that wraps
// ErrNotSupported and the kernel's errno.
func (f *Feature) Err() error {
	if a := f.forced.Load(); a != nil {
		return a.err
	}
	return f.try()
}

// OK is Err() == nil.
func (f *Feature) OK() bool { return f.Err() == nil }

// Force makes the feature answer err, nil meaning that it works, until the
// returned function is called. It is for tests of what happens without it.
func (f *Feature) Force(err error) (restore func()) {
	if err != nil {
		err = fmt.Errorf("%s: %w: %w", f.Name, ErrNotSupported, err)
	}
	old := f.forced.Swap(&answer{err})
	return func() { f.forced.Store(old) }
}
