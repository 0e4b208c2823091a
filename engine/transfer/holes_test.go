package transfer

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestHolesAreNoLayer: what a container makes in a moment, terabytes of nothing, in one file
// or in many, is refused before it is written out. The controls are the same files as
// no layer, and holes that an image may have.
func TestHolesAreNoLayer(t *testing.T) {
	files := func(count int, size int64) *os.File {
		dir := t.TempDir()
		for i := range count {
			name := filepath.Join(dir, strconv.Itoa(i))
			must(t, os.WriteFile(name, []byte("x"), 0o644))
			must(t, os.Truncate(name, size))
		}
		return open(t, dir)
	}
	for name, c := range map[string]struct {
		dir     *os.File
		layer   bool
		refused bool
	}{
		"one":   {files(1, 1<<42), true, true},
		"many":  {files(300, 64<<20), true, true},
		"few":   {files(10, 64<<20), true, false},
		"other": {files(1, 1<<42), false, false},
	} {
		w := Walker{Layer: c.layer}
		if err := w.Walk(t.Context(), c.dir, ".", blind{}); errors.Is(err, ErrHoles) != c.refused || !c.refused && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// blind is a sink that looks at no content.
type blind struct{}

func (blind) Put(*Entry) error { return nil }
