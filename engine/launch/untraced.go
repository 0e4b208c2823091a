package launch

import (
	"slices"

	"github.com/opencontainers/runc/libcontainer/configs"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/security"
)

// A process that joins a container, or the first one of a container that shares the user
// namespace of another, can be seen there before the gate has made itself
// undumpable and loaded the filter. Who traced it then, with the same UID, would have a
// process without a filter. Landlock forbids that: the process is in no domain of
// theirs. Without it, the gate starts with a capability more than any process of the container
// has: the kernel lets nobody trace a process with capabilities that the tracer lacks
// (cap_ptrace_access_check), but with CAP_SYS_PTRACE. The gate gives it up when it is
// undumpable.
type guard struct {
	raised  uint64 // ambient, so that they outlast execve(2) whoever executes
	unbound uint64 // to be taken from the bounding set
	names   []string
}

// spare are capabilities of which a container without SYS_ADMIN lacks one, and that mean nothing in
// a user namespace of one's own.
var spare = []struct { //nolint:gochecknoglobals // constant
	name   string
	number uint
}{
	{"CAP_WAKE_ALARM", unix.CAP_WAKE_ALARM},
	{"CAP_BLOCK_SUSPEND", unix.CAP_BLOCK_SUSPEND},
	{"CAP_AUDIT_READ", unix.CAP_AUDIT_READ},
	{"CAP_SYS_TIME", unix.CAP_SYS_TIME},
	{"CAP_SYS_MODULE", unix.CAP_SYS_MODULE},
	{"CAP_SYS_BOOT", unix.CAP_SYS_BOOT},
}

// guardOf is the guard that a process needs which comes to those of a container; the zero guard where
// something else keeps tracers away, or nothing is left to be gained.
func guardOf(p security.Policy, filter *security.Program) guard {
	if p.Landlock != nil || filter == nil || !p.NoNewPrivileges {
		return guard{}
	}
	for _, s := range spare {
		if slices.Contains(p.Capabilities.Bounding, s.name) {
			continue
		}
		g := guard{raised: 1 << s.number, unbound: 1 << s.number, names: []string{s.name}}
		// To give up the first, the gate needs the right to change its sets.
		const setpcap = "CAP_SETPCAP"
		g.raised |= 1 << unix.CAP_SETPCAP
		g.names = append(g.names, setpcap)
		if !slices.Contains(p.Capabilities.Bounding, setpcap) {
			g.unbound |= 1 << unix.CAP_SETPCAP
		}
		return g
	}
	return guard{}
}

// add puts the guard into a process's capabilities.
func (g guard) add(c *configs.Capabilities) {
	with := func(set []string) []string {
		out := slices.Clone(set)
		for _, name := range g.names {
			if !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
		return out
	}
	if g.raised == 0 {
		return
	}
	c.Bounding, c.Effective, c.Permitted = with(c.Bounding), with(c.Effective), with(c.Permitted)
	c.Inheritable, c.Ambient = with(c.Inheritable), with(c.Ambient)
}
