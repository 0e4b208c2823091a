//go:build linux && cgo

package nsjoin

/*
#cgo CFLAGS: -Wall -Wextra -Werror -O2 -fstack-protector-strong
// born.c sees every clone(2) that C code of this executable asks for.
#cgo LDFLAGS: -Wl,--wrap=clone
extern void burrow_enter(int argc, char **argv);
extern void burrow_end_by_signals(void);
#pragma GCC diagnostic ignored "-Wunused-parameter" // of what cgo makes to call it

// Priority 101 is the earliest an application may have: before libcontainer's
// own constructor, which has no business in the anchor or in the gate.
static void __attribute__((constructor(101))) burrow_constructor(int argc, char **argv)
{
	burrow_enter(argc, argv);
}

extern int burrow_joined;
extern int burrow_as_root;
extern int burrow_join_step;
extern int burrow_join_errno;
extern int burrow_loginuid_errno;
extern char burrow_loginuid[32];
extern int burrow_cwd_lost;
extern const char *burrow_run_dir;
// All are set before Go starts.
*/
import "C"

import (
	"fmt"
	"syscall"

	_ "github.com/burrow-run/burrow/internal/rlimits" // its C part is called by enter.c
)

// Joined says whether this process entered the anchor before Go started.
func Joined() bool { return C.burrow_joined != 0 }

// AsRoot says that this process was host root before it entered root's anchor,
// where it is root's first sub-ID.
func AsRoot() bool { return C.burrow_as_root != 0 }

// Err says why an anchor that exists could not be entered, or nil. A missing
// or dead anchor is no error: it has yet to be made.
func Err() error {
	if C.burrow_join_step == 0 {
		return nil
	}
	step := int(C.burrow_join_step)
	name := "unknown step"
	if step < len(stepNames) {
		name = stepNames[step]
	}
	return fmt.Errorf("join anchor: %s: %w", name, syscall.Errno(C.burrow_join_errno))
}

// CwdLost says that the directory this process was started in is not to be seen
// in the anchor, or was removed: it stands in the root directory now, and a
// relative path must not be used.
func CwdLost() bool { return C.burrow_cwd_lost != 0 }

// RunDir is where the user's anchor is noted, or is to be noted if there is none: an
// absolute path. It is "" for root, and in a user namespace that is no anchor of ours.
func RunDir() string { return C.GoString(C.burrow_run_dir) }

// LoginUID is the login UID of this process as the host has it, if it is set and not
// that of the user himself: "0" after su of root. Else it is "", as for whoever was
// started in the anchor by a process that is none of ours.
func LoginUID() string { return C.GoString(&C.burrow_loginuid[0]) }

// LoginUIDErr says why an unset login UID could not be set, or nil.
func LoginUIDErr() error {
	if C.burrow_loginuid_errno == 0 {
		return nil
	}
	return fmt.Errorf("write loginuid: %w", syscall.Errno(C.burrow_loginuid_errno))
}

// EndBySignals makes a signal that would end the payload end this process, which is
// libcontainer's first in the container, as it would: with that exit code. What is
// ignored stays so. exec(2) takes the handlers away.
func EndBySignals() { C.burrow_end_by_signals() }

// stepNames follow enum join_step in enter.h.
var stepNames = []string{
	"", "open user namespace", "open mount namespace", "owner of user namespace",
	"enter user namespace", "enter mount namespace", "unshare mount namespace",
	"make mounts private", "become the first sub-ID",
	"change to the root directory",
}
