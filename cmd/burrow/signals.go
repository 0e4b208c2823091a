package main

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/burrow-run/burrow/engine/spec"
)

// relay takes the signals that are the payload's. To begin takes the runtime a millisecond
// or two, a word between two threads for each of the sixty signals, so it is done while
// the container is made. Until the payload may have them they end this process as they
// always would.
type relay struct {
	ch    chan os.Signal
	hear  chan struct{} // closed: they are the payload's
	heard chan struct{} // closed: none is ours any more
}

// relaying is engine.Options.Signals of a command on whose streams a payload is: all
// signals that are not about this process alone, or without --sig-proxy only that its
// terminal has another size.
func relaying(io spec.Stdio) func() func() <-chan os.Signal {
	return func() func() <-chan os.Signal { return newRelay(io).signals }
}

func newRelay(io spec.Stdio) *relay {
	r := &relay{ch: make(chan os.Signal, 64), hear: make(chan struct{}), heard: make(chan struct{})}
	take := []os.Signal{syscall.SIGWINCH}
	if io.SigProxy {
		take = payloads()
	}
	go r.serve(take)
	return r
}

// signals are the payload's from now on.
func (r *relay) signals() <-chan os.Signal {
	close(r.hear)
	<-r.heard
	return r.ch
}

func (r *relay) serve(take []os.Signal) {
	defer close(r.heard)
	signal.Notify(r.ch, take...)
	for {
		select {
		case <-r.hear:
			return
		case sig := <-r.ch:
			obey(sig)
		}
	}
}

// obey does what the signal would have done had nobody taken it: the Go runtime ends
// the process for these and does nothing about the others (os/signal).
func obey(sig os.Signal) {
	switch sig {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT,
		syscall.SIGILL, syscall.SIGTRAP, syscall.SIGABRT, syscall.SIGSTKFLT, syscall.SIGSYS:
	default:
		return
	}
	signal.Reset(sig)
	if number, ok := sig.(syscall.Signal); ok {
		_ = syscall.Kill(os.Getpid(), number)
	}
}

// lastSignal is the highest number of a signal: SIGRTMAX (signal(7)).
const lastSignal = 64

// ours are the signals that the payload does not get. SIGCHLD is the Go runtime's, SIGURG
// its scheduler's, SIGPIPE is about our own output; what stops and continues us is
// what the shell wants of us. The C library keeps 32 and 33.
var ours = []syscall.Signal{
	syscall.SIGCHLD, syscall.SIGURG, syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
	syscall.SIGCONT, syscall.SIGKILL, syscall.SIGSTOP, 32, 33,
}

// payloads are the signals that the payload gets too.
func payloads() []os.Signal {
	var list []os.Signal
	for n := syscall.Signal(1); n <= lastSignal; n++ {
		if !slices.Contains(ours, n) {
			list = append(list, n)
		}
	}
	return list
}

// termination is a supervisor's answer to SIGTERM, as at the end of its unit or
// scope: the container is asked to end, and does not start again. Its end is seen
// and recorded, for the supervisor goes on until then.
type termination struct {
	asked chan struct{}
}

// signals is engine.Options.Signals. Before the payload runs, a signal ends the start.
func (t *termination) signals() <-chan os.Signal {
	in, out := make(chan os.Signal, 1), make(chan os.Signal, 1)
	t.asked = make(chan struct{})
	signal.Notify(in, syscall.SIGTERM)
	go func() {
		out <- <-in
		close(t.asked)
		for sig := range in {
			out <- sig
		}
	}()
	return out
}

func (t *termination) ended() bool { return t.within(0) }

// within waits, at most so long, for the signal.
func (t *termination) within(wait time.Duration) bool {
	select {
	case <-t.asked:
		return true
	default:
	}
	select {
	case <-t.asked:
		return true
	case <-time.After(wait):
		return false
	}
}
