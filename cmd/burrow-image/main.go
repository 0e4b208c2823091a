package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/burrow-run/burrow/engine/image/unpack"
	_ "github.com/burrow-run/burrow/internal/rlimits" // says it when there is no thread to be had
)

func main() { os.Exit(run(os.Args)) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// A second signal is not asked for its reasons.
	context.AfterFunc(ctx, stop)
	if args[0] == unpack.WorkerName { // started by engine/image to unpack one layer
		return unpack.Worker(ctx, args)
	}
	a := newApp(readEnv(), os.Stdin, os.Stdout, os.Stderr)
	return a.execute(ctx, args[1:])
}
