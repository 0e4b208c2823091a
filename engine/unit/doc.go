// Package unit writes the systemd unit that runs a container.
//
//	ExecStart ─► burrow run -d | burrow start    tells systemd READY=1 and which
//	             └─ supervisor ── container      process to watch, and ends
//	ExecStop ──► burrow stop
//
// Type=notify always works, for the supervisor speaks where the payload does not;
// pid files are not needed. Delegate=yes makes the container's cgroup a part of
// the unit's, so that systemd accounts, limits and in the end kills all of it.
// KillMode= is left alone: with another, systemd would not wait for a supervisor
// that is not its own child. The supervisor's exit code is the payload's own; a payload that ended by the signal that
// asked it to has ended well, as with any service (SuccessExitStatus=).
//
// It writes text and nothing else; it does not talk to systemd.
package unit
