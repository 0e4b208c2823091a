package engine

import (
	"context"
	"log/slog"
	"os"
	"syscall"

	"github.com/burrow-run/burrow/engine/cgroup"
	"github.com/burrow-run/burrow/engine/health"
	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/posture"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/paths"
)

// Options are what Run needs from its caller besides the container's Spec.
type Options struct {
	Dirs paths.Dirs
	// UIDs and GIDs are the anchor's maps: anchor ID to host ID.
	UIDs, GIDs idmap.Map
	Home       string // the caller's home directory, hidden by the host image
	Cwd        string // the caller's working directory, absolute
	User       string // the caller's login name, may be empty
	Term       string // value for TERM with a terminal; empty: xterm

	Stdin, Stdout, Stderr *os.File
	// Signals begins to take what the caller is sent, before the container is built;
	// nil: nothing is forwarded. What it returns is called as the payload begins to
	// run: until then a signal ends the run, and the container with it.
	Signals func() (hear func() <-chan os.Signal)
	// Pull fetches an image that is not there; nil: it never is.
	Pull func(ctx context.Context, image string, p spec.Pull) error
	// Adopt makes the plan of an image in an additional store, or makes it anew;
	// where none has it, the error is [plan.ErrNotFound]. Nil: there are none.
	Adopt func(ctx context.Context, image string) error
	// StartChecks starts what runs the checks of the container with that ID, each in a
	// process of its own, also when this process may execute nothing any more; nil: no
	// checks are run. The caller of it must call stop.
	StartChecks func(id string) (probe func(ctx context.Context, c health.Check) health.Result, stop func(), err error)
	// Manager is the caller's service manager; zero: there is none.
	Manager cgroup.Manager
	// Service is what the service manager has handed over that runs this
	// process as one of its services.
	Service Service
	// Posture gets what the kernel says of the payload before its first instruction,
	// where the Spec wants a SecurityReport; nil: nobody looks.
	Posture func(posture.Report)
	// CreateCommand is the command line that makes the container, as typed.
	CreateCommand []string
	// DefaultNetwork is the --network of a command line without one.
	DefaultNetwork string
	Warn           func(text string) // nil discards
	Log            *slog.Logger      // nil discards
}

// Exit is how a container ended.
type Exit struct {
	ID        string
	Status    syscall.WaitStatus
	Detached  bool // the user left with the detach keys; the container runs on
	TimedOut  bool // --timeout ran out
	OOMKilled bool
	Again     bool // its health check wants it to start again, whatever --restart says
}

// Code is the exit code a shell would give: the payload's own, or 128 plus the
// number of the signal that killed it.
func (e Exit) Code() int {
	if e.Status.Signaled() {
		return 128 + int(e.Status.Signal())
	}
	return e.Status.ExitStatus()
}

// image is what a container's root filesystem is made of.
type image struct {
	plan *plan.Plan // nil for a directory and for the host image
	cfg  plan.Config
	name string // as inspect shows it
}
