package sys

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// LandlockABI is the version of the kernel's Landlock interface, 0 if it has
// none or it is switched off at boot (landlock_create_ruleset(2)).
func LandlockABI() int {
	const versionFlag = 1 // LANDLOCK_CREATE_RULESET_VERSION
	v, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, versionFlag)
	if errno != 0 {
		return 0
	}
	return int(v)
}

// LandlockCreate makes a ruleset that handles these rights and scopes, and
// returns its descriptor.
func LandlockCreate(handledFS, scoped uint64) (*os.File, error) {
	attr := [3]uint64{handledFS, 0, scoped} // fs, net, scoped
	// A kernel that knows less of the structure accepts the rest if it is zero.
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET,
		uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return nil, os.NewSyscallError("landlock_create_ruleset", errno)
	}
	return os.NewFile(fd, "landlock"), nil
}

// LandlockAllow adds a rule: access to everything beneath the open file parent.
func LandlockAllow(ruleset *os.File, parent int, access uint64) error {
	const pathBeneath = 1 // LANDLOCK_RULE_PATH_BENEATH
	attr := struct {
		access uint64
		parent int32
	}{access, int32(parent)} // packed in C; the tail here is padding only
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, ruleset.Fd(), pathBeneath,
		uintptr(unsafe.Pointer(&attr)), 0, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("landlock_add_rule", errno)
	}
	return nil
}

// LandlockRestrict puts the calling thread, and all it starts, into the domain
// for good. It needs no_new_privs or CAP_SYS_ADMIN.
func LandlockRestrict(ruleset *os.File) error {
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset.Fd(), 0, 0); errno != 0 {
		return os.NewSyscallError("landlock_restrict_self", errno)
	}
	return nil
}
