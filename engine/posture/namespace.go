package posture

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

const (
	ofHost    = "host"
	ofAnchor  = "anchor"
	container = "container"
)

// namespace says whose it is and who owns it.
func (o Observer) namespace(pid int, kind string) string {
	ns, err := os.Open(path(pid, "ns/"+kind))
	if err != nil {
		return orWhy("", err)
	}
	defer ns.Close()
	whose := o.whose(ns, kind)
	owner, err := ownerOf(ns, kind)
	if o.Inside && errors.Is(err, unix.EPERM) {
		return whose + " of " + ofHost // it is above the anchor
	}
	if err != nil {
		return whose
	}
	defer owner.Close()
	return whose + " of " + o.whose(owner, "user")
}

// ownerOf is the user namespace that a namespace belongs to, of a user namespace the one above it.
func ownerOf(ns *os.File, kind string) (*os.File, error) {
	if kind == "user" {
		return sys.NamespaceParent(ns)
	}
	return sys.NamespaceUser(ns)
}

// whose compares a namespace with those of the processes that are known.
func (o Observer) whose(ns *os.File, kind string) string {
	id, err := sys.NamespaceIDOf(ns)
	if err != nil {
		return err.Error()
	}
	kind = strings.TrimSuffix(kind, "_for_children")
	for _, p := range o.known(kind) {
		var theirs unix.Stat_t
		if p.pid != 0 && unix.Stat(path(p.pid, "ns/"+kind), &theirs) == nil && theirs.Ino == id.Inode && theirs.Dev == id.Dev {
			return p.name
		}
	}
	return "own"
}

type known struct {
	name string
	pid  int
}

func (o Observer) known(kind string) []known {
	inAnchor := kind == "user" || kind == "mnt"
	switch {
	case o.Inside && kind == "user": // that of this process
		return []known{{ofAnchor, o.self()}, {container, o.Container}}
	case o.Inside && inAnchor:
		return []known{{ofAnchor, o.Anchor}, {container, o.Container}}
	}
	return []known{{ofHost, o.self()}, {ofAnchor, o.Anchor}, {container, o.Container}}
}

// owners walks up from its user namespace to the host's: who made each.
func (o Observer) owners(pid int) string {
	ns, err := os.Open(path(pid, "ns/user"))
	if err != nil {
		return orWhy("", err)
	}
	defer func() { ns.Close() }()
	var out []string
	for o.whose(ns, "user") != ofHost {
		uid, err := sys.NamespaceOwner(ns)
		if err != nil {
			return err.Error()
		}
		out = append(out, o.names(0, strconv.Itoa(int(uid)), false))
		up, err := sys.NamespaceParent(ns)
		if o.Inside && errors.Is(err, unix.EPERM) {
			break
		}
		if err != nil {
			return err.Error()
		}
		ns.Close()
		ns = up
	}
	return strings.Join(out, " ")
}
