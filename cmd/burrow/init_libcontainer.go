package main

import (
	"os"
	"runtime/debug"

	"github.com/opencontainers/runc/libcontainer"
	_ "github.com/opencontainers/runc/libcontainer/nsenter" // stages 0 to 2, in C

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/userns/nsjoin"
)

// isInit recognises libcontainer's own convention: it starts us with "init" and
// its pipe in the environment. The pipe makes the difference to a user who
// types `burrow init`.
func isInit(args []string) bool {
	return len(args) > 1 && args[1] == "init" && os.Getenv("_LIBCONTAINER_INITPIPE") != ""
}

// libcontainerInit builds the container from inside and becomes the gate.
func libcontainerInit() int {
	debug.SetGCPercent(-1) // it lives for some milliseconds
	launch.EndWithStarter(os.Getenv)
	nsjoin.EndBySignals()
	launch.ShareKeyring(os.Getenv)
	libcontainer.Init()
	return 255 // Init does not return
}
