package engine

import (
	"context"
	"encoding/json"

	"github.com/burrow-run/burrow/engine/launch"
)

// step is one thing to do on the way; its name is part of no message, for the
// errors name their operation themselves, but tells the log how far a run got.
type step struct {
	name string
	do   func(context.Context) error
}

// The order of the steps is what makes a start fast and what makes it safe.

// makeSteps make a container.
func makeSteps(r *run) []step {
	return []step{
		{"find image", r.findImage},         // may fetch it
		{"compile policy", r.compilePolicy}, // before anything is made: a refused flag leaves nothing
		{"check health flags", r.checkHealthFlags},
		{"check log", r.checkLog},         // the same
		{"find required", r.findRequired}, //
		{"check secrets", r.checkSecrets}, //
		{"find volumes", r.findVolumes},   // perhaps those of the one that is replaced
		{"replace", r.replace},            // last: what it removes does not come back
		{"reserve name", r.reserve},       // one winner; from here on there is something to undo
		{"make volumes", r.makeVolumes},   // those that are missing
	}
}

// startSteps give it what only a running container has.
func startSteps(r *run) []step {
	return []step{
		{"open health log", r.openHealthLog}, // before a mount can hide it, or the container change what leads there
		{"start cgroup", r.startCgroup},      // early: it is made while we go on
		{"start network", r.startNetwork},    // the same: the helper starts while we go on
		{"lock volumes", r.lockVolumes},      // their slice decides
		{"take sub-IDs", r.takeSlice},        //
		{"hold volumes", r.holdVolumes},      // with these IDs
		{"mount root", r.mountRoot},          // needs the maps
		{"find user", r.findUser},            // reads the mounted root
		{"configure", r.configure},           //
		{"write record", r.writeRecord},      // before there is a process to lose
	}
}

// prepare does beside the first steps what the later ones would take a millisecond
// or two for: encoding/json looks at the fields of a type once in a process.
func prepare() {
	_, _ = json.Marshal(Record{})
	launch.Prepare()
}
