package image

import (
	"context"
	"errors"
	"fmt"
	"runtime/metrics"
	"time"
)

// maxAnswer is how much memory an answer may take that the image library reads whole, however
// long it is: lists of tags and results of searches, in bytes.
const maxAnswer = 64 << 20

// errEndless is the cause of a context that bounded has cancelled.
var errEndless = errors.New("the answer has no end")

// bounded calls fn, and cancels its context when memory has grown by maxAnswer meanwhile.
func bounded[T any](ctx context.Context, fn func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	go func() {
		before := heap()
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			if heap() > before+maxAnswer {
				cancel(errEndless)
				return
			}
		}
	}()
	out, err := fn(ctx)
	close(done)
	if err != nil && errors.Is(context.Cause(ctx), errEndless) {
		err = fmt.Errorf("%w: it has taken more than %d MiB of memory", errEndless, maxAnswer>>20)
	}
	cancel(nil)
	return out, err
}

// heap is what the runtime holds, in bytes, garbage included.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
