package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/image/unpack"
	_ "github.com/burrow-run/burrow/internal/rlimits" // says it when there is no thread to be had
)

func main() { os.Exit(run(os.Args)) }

func run(args []string) int {
	ctx := obeying(context.Background())
	if args[0] == unpack.WorkerName { // started by engine/image to unpack one layer
		return unpack.Worker(ctx, args)
	}
	a := newApp(readEnv(), os.Stdin, os.Stdout, os.Stderr)
	code := a.execute(ctx, args[1:])
	if sig := signalOf(ctx); code == sig.exitCode() {
		// Who waits for this process sees that it was the signal: a shell that runs
		// a script ends with it then.
		signal.Reset(sig.Signal)
		_ = unix.Kill(os.Getpid(), sig.Signal)
	}
	return code
}

// signalError is the cause of a context that a signal has ended; 0 is none.
type signalError struct{ syscall.Signal }

func (e signalError) Error() string { return "stopped by " + unix.SignalName(e.Signal) }

// Is makes it what libraries and engine/image know as the end of a context.
func (e signalError) Is(target error) bool { return target == context.Canceled }

// exitCode is what shells make of the end by a signal.
func (e signalError) exitCode() int { return 128 + int(e.Signal) }

// signalOf is the signal that has ended the context.
func signalOf(ctx context.Context) signalError {
	var sig signalError
	errors.As(context.Cause(ctx), &sig)
	return sig
}

// obeying is a context that the first signal ends, so that nothing half-made is left.
// A second one is not asked for its reasons: it ends the process. What the caller
// ignores, as nohup(1) does, stays ignored.
func obeying(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancelCause(ctx)
	got := make(chan os.Signal, 1)
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(sig) {
			signal.Notify(got, sig)
		}
	}
	go func() {
		sig, _ := (<-got).(syscall.Signal)
		signal.Stop(got)
		cancel(signalError{sig})
	}()
	return ctx
}
