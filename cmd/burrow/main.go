// Command burrow runs containers without root.
//
// It is several processes in one executable; main is the table of them. Three
// never get here: the anchor, the gate and the starter of checks end in C (package userns/nsjoin).
//
// The runtime need not look for CPU limits of our cgroup: we have one thread of work.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/burrow-run/burrow/internal/stage"
	"github.com/burrow-run/burrow/userns/nsjoin" // enters the anchor before Go starts
)

func init() {
	// A foreground container dies with the thread that started it
	// (PR_SET_PDEATHSIG), so that must be the one that lives as long as we do.
	runtime.LockOSThread()
	// Commands live for milliseconds and allocate a few megabytes: collecting
	// them costs more than keeping them.
	debug.SetGCPercent(400)
}

func main() { os.Exit(run(context.Background(), os.Args)) }

func run(ctx context.Context, args []string) int {
	if isInit(args) { // started by libcontainer
		return libcontainerInit()
	}
	if err := checkDescriptors(); err != nil {
		return say(os.Stderr, err)
	}
	stage.SetLoginUID(nsjoin.LoginUID())
	switch stage.Current() {
	case stage.Command, stage.Joined: // started by you; again by itself, to enter the anchor
		return command(ctx, args[1:])
	case stage.Supervisor, stage.RootSupervisor: // started by run -d, run -t, start
		usualUmask() // whoever starts it may have another
		return supervisor(ctx, args[1:])
	case stage.Settled, stage.RootSettled: // the same supervisor, executed again by itself once its container runs
		return settled(ctx, args[1:])
	case stage.Check, stage.RootCheck: // started by whoever waits for a container, at each health check
		return check(ctx, args[1:])
	}
	return unknownStage()
}
