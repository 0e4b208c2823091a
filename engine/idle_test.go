package engine

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
)

func TestCollectAfter(t *testing.T) {
	before := debug.SetGCPercent(-1)
	t.Cleanup(func() {
		debug.SetGCPercent(before)
		debug.SetMemoryLimit(math.MaxInt64)
	})
	var m runtime.MemStats
	collections := func() uint32 {
		runtime.ReadMemStats(&m)
		return m.NumGC
	}
	runtime.GC()
	begin := collections()
	collectAfter(int64(m.Sys)+8<<20, 77)
	keep := make([]byte, 64<<10)
	if n := collections() - begin; n != 0 {
		t.Errorf("%d collections, for nothing", n)
	}
	// What the heap has free already comes first.
	for range 256 {
		keep = append(keep, make([]byte, 64<<10)...)
	}
	waitFor(t, "a collection to end the idleness", func() bool {
		return debug.SetMemoryLimit(-1) == math.MaxInt64 && collections() > begin
	})
	if got := debug.SetGCPercent(-1); got != 77 {
		t.Errorf("percentage %d after %d bytes", got, len(keep))
	}
}
