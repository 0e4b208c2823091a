// Package nsjoin runs before the Go runtime and puts this process where it
// belongs: a threaded process cannot join a user namespace (setns(2)), and a
// container's payload must not wait for a Go runtime that it never uses.
//
// Its C constructor looks at argv and does one of five things:
//
//	argv[0] = "burrow-anchor"        anchor.c  sleep as the user's anchor, never return
//	argv[0] = "burrow-checks"        checks.c  start health checks until nobody asks, never return
//	argv    = /proc/self/exe gate:N  gate.c    confine, then exec the payload, never return
//	argv[1] = a verb that works in   enter.c   join the anchor found by its pidfile
//	          the anchor, or             	   ($XDG_RUNTIME_DIR/burrow/anchor); `run` also
//	          BURROW_STAGE=joined               gets a mount namespace of its own
//	anything else                              nothing
//
// In a sixth case, libcontainer's first stage, it stays in the background: the stage's
// clone comes by born.c, which makes it a birth in the container's cgroup, and
// guard.c may leave a process behind that ends the container with its command.
//
// Where Go starts, it is first looked whether it can (package rlimits): a runtime that cannot
// have its addresses or threads would print its stacks.
//
// Every entry, whatever it does next, first fixes an unset login UID
// (docs/security.md, attribution), so that no process in a container can forge it.
//
// It does not make the anchor, and it does not decide what a container may do:
// see packages userns and security. Kernel: Linux 5.13 for Landlock in the
// gate, which is left out where the program does not ask for it; 4.9 for the rest
// (NS_GET_OWNER_UID is 4.11).
package nsjoin
