package unpack

import (
	"bytes"
	"io"
	"os"
	"runtime"
	"testing"

	"github.com/burrow-run/burrow/internal/nstest"
)

// collecting has the garbage collected before each read, as a busy machine might.
type collecting struct{ r io.Reader }

func (c collecting) Read(b []byte) (int, error) {
	for range 3 { // what nobody refers to is closed after one collection
		runtime.GC()
		runtime.Gosched()
	}
	return c.r.Read(b)
}

// The directory stays open to the end also where its caller does not hold it.
func TestDirectoryStaysOpen(t *testing.T) {
	nstest.NeedIDs(t)
	g := newGround(t)
	layer := tarOf(t, dir("d"), file("d/one", "1"), file("d/two", "2"), file("three", "3"))
	root, err := os.Open(g.root)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Unpack(t.Context(), root, collecting{bytes.NewReader(layer)}, Options{Limits: DefaultLimits()}); err != nil {
		t.Error(err)
	}
	if root, err = os.Open(g.root); err != nil {
		t.Fatal(err)
	}
	if _, err := Scan(root); err != nil {
		t.Error(err)
	}
}
