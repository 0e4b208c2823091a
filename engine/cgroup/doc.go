// Package cgroup gives a container a cgroup of its own, with limits, in a part
// of the cgroup v2 tree that is delegated to the user.
//
//	user@1000.service                  the user's service manager
//	└─ burrow.scope                    one unit, Delegate=yes        scope.go, over D-Bus
//	   ├─ anchor                       burrow-anchor                 Adopt
//	   ├─ supervisor                   burrow run, its helpers
//	   └─ burrow-<id>                  limits; the container, born here
//
// Where there is no service manager to ask, or where the caller is in a unit
// that was delegated to it (Delegate=yes), the same directories are made in the
// nearest part of the tree that the user may write. --cgroup-parent names
// another place: a slice, which gets a scope of the container's own, or a path.
//
// The container is one directory of the user's scope, not a scope of its own,
// because the unit is what systemd delegates and what is in it is ours: making a
// directory takes 0.1 ms, a unit a D-Bus call, a job and two moves of processes.
// A move waits for an RCU grace period, 7 to 15 ms; so only the command itself
// moves, while it prepares the container, and only where it was started outside
// the user's part of the tree, as from ssh. The kernel lets no unprivileged process
// put another, or its own child, across that border (cgroups(7), "Delegation
// containment"); systemd does it for us.
//
// It does not hide the host's load or memory size from the container, and it
// limits no command of ours: a supervisor is outside its container's limits, so
// that it survives to report them. Without cgroup v2 there are no limits.
//
// Kernel: 5.2 for cgroup v2 with all controllers used here, 5.14 for cgroup.kill.
// systemd: 251, which marks what it delegates (user.delegate); older ones are
// asked for a scope always.
package cgroup
