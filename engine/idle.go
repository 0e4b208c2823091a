package engine

import (
	"math"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/security"
)

const (
	// idleAfter is how long a supervised container has run before its supervisor
	// makes itself small: one that ends sooner has no use for that.
	idleAfter = time.Second
	// idleLimit is how large the runtime's memory may get, in bytes, before the
	// supervisor is idle no more. It is half of that after a start, most of it
	// untouched.
	idleLimit = 16 << 20
	// busyGC is the garbage collector's percentage from then on.
	busyGC = 50
)

// forget lets go of what only a start needs. Nothing else looks at it by now.
func (r *run) forget() {
	r.image, r.policy, r.program, r.config = image{}, security.Policy{}, nil, launch.Config{}
}

// idle makes a supervisor small once its container runs. ended is closed when the
// container has ended; busy channels, when what goes on beside it is done.
//
// Most of what a start touches of the executable is never needed again. But what it
// has allocated is kept: a collection would free half a megabyte and touch as much
// for its own book-keeping (so would asking the runtime how much memory it has). So
// there shall be none, not even the one that the runtime makes every two minutes,
// until the supervisor has something to do.
func idle(ended <-chan struct{}, busy ...<-chan struct{}) {
	for _, ch := range busy {
		select {
		case <-ch:
		case <-ended:
			return
		}
	}
	select {
	case <-time.After(idleAfter):
	case <-ended:
		return
	}
	collectAfter(idleLimit, busyGC)
	_ = sys.DropExecutable() // it costs memory, nothing else
}

// collectAfter keeps the garbage collector from running until the runtime has more
// memory than limit; then it works as usual, with the percentage given.
func collectAfter(limit int64, percent int) {
	// A limit alone would make it run without end where there is more to keep.
	runtime.AddCleanup(new([16]byte), func(percent int) {
		debug.SetMemoryLimit(math.MaxInt64)
		debug.SetGCPercent(percent)
	}, percent)
	debug.SetMemoryLimit(limit)
	debug.SetGCPercent(-1)
}
