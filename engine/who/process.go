package who

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/sys"
)

// process is what /proc shows of a process to us.
type process struct {
	id       sys.ProcID
	uid, gid uint32 // effective, as our namespace sees them
	uids     idmap.Map
	gids     idmap.Map
	// chain are the user namespaces around it, innermost first, without the
	// one we are in. It is empty for a process in ours, and for one that we
	// may not look at; then hidden is true.
	chain  []namespace
	pidNS  sys.NamespaceID
	hidden bool
}

type namespace struct {
	id    sys.NamespaceID
	owner uint32
}

func readProcess(pid int) (process, error) {
	id, err := sys.ProcIDOf(pid)
	if err != nil {
		return process{}, unseen(pid, err)
	}
	p := process{id: id}
	if err := p.readStatus(); err != nil {
		return process{}, unseen(pid, err)
	}
	err = p.readNamespaces()
	if errors.Is(err, os.ErrPermission) {
		p.hidden = true
		err = nil
	}
	if err != nil {
		return process{}, unseen(pid, err)
	}
	p.uids, p.gids = readIDMap(pid, "uid_map"), readIDMap(pid, "gid_map")
	if again, err := sys.ProcIDOf(pid); err != nil || again != id {
		return process{}, fmt.Errorf("%w: %d has just ended", ErrNoProcess, pid)
	}
	return p, nil
}

// unseen says why nothing is known of a process. One that ends while it is looked at has
// no directory any more, or one whose files read as ESRCH (proc(5)).
func unseen(pid int, err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("%w: %d", ErrNoProcess, pid)
	}
	return fmt.Errorf("look at process %d: %w", pid, err)
}

func (p *process) readStatus() error {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.id.PID))
	if err != nil {
		return err
	}
	found := 0
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) != 5 || (f[0] != "Uid:" && f[0] != "Gid:") {
			continue
		}
		n, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil {
			return err
		}
		found++
		if f[0] == "Uid:" {
			p.uid = uint32(n)
		} else {
			p.gid = uint32(n)
		}
	}
	if found != 2 {
		return errors.New("bug: status has no Uid and Gid")
	}
	return nil
}

// readNamespaces walks outwards. The kernel ends the walk with EPERM at the
// namespace we are in, or at one that is not inside ours.
func (p *process) readNamespaces() error {
	ns, err := os.Open(fmt.Sprintf("/proc/%d/ns/user", p.id.PID))
	if err != nil {
		return err
	}
	if p.pidNS, err = namespaceOf(p.id.PID, "pid"); err != nil {
		return errors.Join(err, ns.Close())
	}
	for {
		var n namespace
		n.id, err = sys.NamespaceIDOf(ns)
		if err == nil {
			n.owner, err = sys.NamespaceOwner(ns)
		}
		if err != nil {
			return errors.Join(err, ns.Close())
		}
		parent, err := sys.NamespaceParent(ns)
		ns.Close()
		if errors.Is(err, unix.EPERM) {
			return nil // ours, which says nothing about the process
		}
		if err != nil {
			return err
		}
		p.chain = append(p.chain, n)
		ns = parent
	}
}

// readIDMap is the process's map to our IDs; a process that is gone has none.
func readIDMap(pid int, name string) idmap.Map {
	f, err := os.Open(fmt.Sprintf("/proc/%d/%s", pid, name))
	if err != nil {
		return nil
	}
	defer f.Close()
	m, err := idmap.ParseMap(f)
	if err != nil {
		return nil
	}
	return m
}

// outside turns what the anchor sees of a process into what the host does.
func (p *process) outside(s Sources) {
	p.uid, p.gid = hostOf(s.UIDs, p.uid), hostOf(s.GIDs, p.gid)
	for i := range p.chain {
		p.chain[i].owner = hostOf(s.UIDs, p.chain[i].owner)
	}
	for i, e := range p.uids {
		p.uids[i].Host = hostOf(s.UIDs, e.Host)
	}
	for i, e := range p.gids {
		p.gids[i].Host = hostOf(s.GIDs, e.Host)
	}
	if p.hidden {
		return
	}
	if id, err := namespaceOf(os.Getpid(), "user"); err == nil {
		p.chain = append(p.chain, namespace{id, s.User.UID})
	}
}

// hostOf is the host's number of an ID of the anchor. One that it does not map is
// shown there as the overflow ID, which says nothing.
func hostOf(anchor idmap.Map, id uint32) uint32 {
	if host, ok := anchor.Host(id); ok {
		return host
	}
	return id
}
