package sys

// #include <stdlib.h>
// #include "trial.h"
import "C"

import (
	"os"
	"syscall"
	"time"
	"unsafe"
)

// Trial says what a throw-away child does in new namespaces, to learn whether
// a container could. The caller's own namespaces stay as they are.
type Trial struct {
	// Flags are the CLONE_NEW… of unshare(2); CloneNewUser must be among them.
	Flags uintptr
	// Overlay holds mount options, and Merged the directory to mount on. The
	// merged tree must hold a file "old", which the child removes.
	Overlay, Merged string
	// Proc mounts proc for a new pid namespace, over /proc.
	Proc bool
	// Timeout ends a child that hangs; zero means a second.
	Timeout time.Duration
}

// Namespaces for Trial.Flags (namespaces(7)).
const (
	CloneNewUser  = syscall.CLONE_NEWUSER
	CloneNewMount = syscall.CLONE_NEWNS
	CloneNewPID   = syscall.CLONE_NEWPID
	CloneNewIPC   = syscall.CLONE_NEWIPC
	CloneNewUTS   = syscall.CLONE_NEWUTS
	CloneNewNet   = syscall.CLONE_NEWNET
)

// TrialStep is how far the child of a Trial came.
type TrialStep int

// The steps of a Trial in their order.
const (
	TrialDone     TrialStep = C.TRIAL_DONE
	TrialFork     TrialStep = C.TRIAL_FORK
	TrialUnshare  TrialStep = C.TRIAL_UNSHARE
	TrialMap      TrialStep = C.TRIAL_MAP
	TrialCaps     TrialStep = C.TRIAL_CAPS
	TrialPrivate  TrialStep = C.TRIAL_PRIVATE
	TrialOverlay  TrialStep = C.TRIAL_OVERLAY
	TrialCreate   TrialStep = C.TRIAL_CREATE
	TrialWhiteout TrialStep = C.TRIAL_WHITEOUT
	TrialProc     TrialStep = C.TRIAL_PROC
	TrialTimeout  TrialStep = C.TRIAL_TIMEOUT
)

var trialNames = map[TrialStep]string{
	TrialDone:     "done",
	TrialFork:     "fork",
	TrialUnshare:  "unshare",
	TrialMap:      "write uid_map",
	TrialCaps:     "use a capability",
	TrialPrivate:  "make mounts private",
	TrialOverlay:  "mount overlay",
	TrialCreate:   "create a file on overlay",
	TrialWhiteout: "remove a file on overlay",
	TrialProc:     "mount proc",
	TrialTimeout:  "wait for the child",
}

// String returns the operation, for an error message.
func (s TrialStep) String() string { return trialNames[s] }

// Run makes the child, waits for it and returns the step that failed with its
// errno, or TrialDone and nil.
func (t Trial) Run() (TrialStep, error) {
	if t.Timeout == 0 {
		t.Timeout = time.Second
	}
	req := C.struct_trial{
		flags:      C.int(t.Flags),
		uid:        C.uint(os.Geteuid()),
		gid:        C.uint(os.Getegid()),
		timeout_ms: C.int(t.Timeout.Milliseconds()),
	}
	if t.Overlay != "" {
		req.overlay = C.CString(t.Overlay)
		req.merged = C.CString(t.Merged)
		defer C.free(unsafe.Pointer(req.overlay))
		defer C.free(unsafe.Pointer(req.merged))
	}
	if t.Proc {
		req.proc = 1
	}
	// cgo copies the request: the pointers in it are C memory.
	res := C.burrow_trial(&req)
	step := TrialStep(res.step)
	if step == TrialDone {
		return step, nil
	}
	return step, os.NewSyscallError(step.String(), syscall.Errno(res.err))
}
