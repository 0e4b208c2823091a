package engine

import (
	"sync/atomic"
	"testing"
	"time"
)

// The last output is waited for as long as somebody is about to take it.
func TestDrain(t *testing.T) {
	var writing atomic.Int32
	writing.Store(1)
	s := &session{copied: make(chan struct{}), writing: &writing}
	go func() {
		time.Sleep(3 * time.Second) // longer than what is only kept open is waited for
		close(s.copied)
	}()
	s.drain()
	select {
	case <-s.copied:
	default:
		t.Error("it was given up")
	}
	writing.Store(0)
	s = &session{copied: make(chan struct{}), writing: &writing}
	s.drain() // a process that keeps its output open and prints nothing
}
