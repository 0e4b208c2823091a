// Package stage says which process of Burrow's tree this one is. There is one
// executable and several processes; main is a switch over Current.
//
// Three kinds of process never get here: the anchor, the gate and the starter of health checks,
// which end in C before Go starts (package userns/nsjoin). libcontainer's init is recognised
// by libcontainer's own convention, argv[1] = "init".
package stage

import (
	"os"
	"strings"
	"sync"
)

// Stage is one kind of process.
type Stage string

// The processes of the tree.
const (
	Command Stage = ""       // started by the user
	Joined  Stage = "joined" // the same command, executed again to enter the anchor
	// Supervisor is the parent of a container that runs in the background,
	// started by run, create or start.
	Supervisor Stage = "supervisor"
	// RootSupervisor is one that host root's command started. It runs as root's
	// first sub-ID and could not tell otherwise.
	RootSupervisor Stage = "supervisor-root"
	// Settled is a supervisor whose container runs: it has executed its own program anew, to
	// wait for the container's end. RootSettled is a RootSupervisor that has.
	Settled     Stage = "settled"
	RootSettled Stage = "settled-root"
	// Check runs one health check of a container, started by the process that
	// waits for it; RootCheck by a RootSupervisor, or by host root's command.
	Check     Stage = "check"
	RootCheck Stage = "check-root"
)

// Inside says that a process of this stage is started in the anchor.
func (s Stage) Inside() bool { return s == Supervisor || s == Settled || s == Check || s.Root() }

// Root says that a process of this stage works for host root, in root's anchor.
func (s Stage) Root() bool { return s == RootSupervisor || s == RootSettled || s == RootCheck }

// Names that userns/nsjoin/enter.c knows too.
const (
	envName  = "BURROW_STAGE"
	envLogin = "BURROW_LOGINUID"
)

// Current returns the stage of this process. The variables that carry it and the
// login UID are removed from the environment, so that no payload and no helper sees them.
var Current = sync.OnceValue(func() Stage {
	_ = os.Unsetenv(envLogin)
	v, ok := os.LookupEnv(envName)
	if !ok {
		return Command
	}
	_ = os.Unsetenv(envName)
	name, _, _ := strings.Cut(v, ":")
	return Stage(name)
})

var login string

// SetLoginUID is for main, which learns it from the constructor in userns/nsjoin.
func SetLoginUID(uid string) { login = uid }

// TakeLoginUID is for an executable without that constructor, which burrow has started:
// it was told.
func TakeLoginUID() {
	login = os.Getenv(envLogin)
	_ = os.Unsetenv(envLogin)
}

// LoginUID is the login UID of this process as the host has it, where it is not the
// user's own; see userns/nsjoin.
func LoginUID() string { return login }

// Inherited is what a process that is started in the anchor has to have in its
// environment besides its stage.
func Inherited() []string {
	if v := LoginUID(); v != "" {
		return []string{envLogin + "=" + v}
	}
	return nil
}

// Env is the environment entry that makes a process start as s; detail is for
// the constructor in userns/nsjoin, e.g. "mounts".
func Env(s Stage, detail string) string {
	v := string(s)
	if detail != "" {
		v += ":" + detail
	}
	return envName + "=" + v
}
