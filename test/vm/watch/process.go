package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/sys"
)

// process is what the kernel says of one, as root of the machine sees it.
type process struct {
	pid, ppid    int
	pids         int // in how many PID namespaces it has a number
	start        uint64
	command, exe string
	name         string // comm
	uids, gids   [4]uint32
	groups       []uint32
	loginUID     string
	owners       []uint32 // of the user namespaces around it, innermost first; none: it is in the initial one
	cgroup       string
	effective    uint64 // capabilities
	noNewPrivs   bool
	gains        bool // its executable has a setuid bit or file capabilities
	mark         string
	uidMap       idmap.Map
}

type procID struct {
	pid   int
	start uint64
}

func (p process) id() procID { return procID{p.pid, p.start} }

func (p process) String() string {
	return fmt.Sprintf("pid %d (%s) of uid %d, auid %s, owners %d, cgroup %s", p.pid, p.command, p.uids[1], p.loginUID, p.owners, p.cgroup)
}

// looker remembers which processes are none of Burrow's: there are many of them.
type looker struct {
	users        []user
	boring       map[int]time.Time // pids, until when: who gets the number within a second waits
	now          time.Time
	self         int
	last         map[int]process  // what the last look has found
	spaces, next map[string]space // by name: what the last look has met, and what this one does
	buf          []byte
}

func newLooker(users []user) *looker {
	return &looker{users: users, boring: map[int]time.Time{}, self: os.Getpid(), buf: make([]byte, 256<<10)}
}

// boredom is for how long a process that has nothing to do with the users is left alone.
const boredom = time.Second

// look returns the processes of engine and containers.
func (l *looker) look() []process {
	l.now, l.next = time.Now(), map[string]space{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	all, mine := map[int]process{}, map[int]bool{l.self: true}
	var order []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == l.self {
			continue
		}
		p, ok := l.read(pid)
		if !ok {
			continue
		}
		all[pid] = p
		order = append(order, pid)
	}
	l.last = all
	l.forget()
	var ours []process
	for _, pid := range order {
		if l.isOurs(all, pid) && !descends(all, pid, mine) {
			ours = append(ours, all[pid])
		} else if p := all[pid]; byLogin(l.users, p) == nobody && byIDs(l.users, p) == nobody && byCgroup(l.users, p) == nobody {
			l.boring[p.pid] = l.now.Add(boredom)
		}
	}
	return ours
}

// isOurs says that a process, or one that it descends from, is the engine's or in a container.
func (l *looker) isOurs(all map[int]process, pid int) bool {
	for range 64 {
		p, ok := all[pid]
		if !ok {
			return false
		}
		if len(p.owners) > 0 || strings.Contains(p.cgroup, "burrow") || engineProgram(filepath.Base(p.exe)) {
			return true
		}
		pid = p.ppid
	}
	return false
}

func engineProgram(name string) bool {
	return strings.HasPrefix(name, "burrow") || strings.HasPrefix(name, "pasta") ||
		name == "slirp4netns" || name == "newuidmap" || name == "newgidmap"
}

func descends(all map[int]process, pid int, from map[int]bool) bool {
	for range 64 {
		if from[pid] {
			return true
		}
		p, ok := all[pid]
		if !ok {
			return false
		}
		pid = p.ppid
	}
	return false
}

// read reads one process; false for one that has ended meanwhile, a thread of the kernel, and what was boring lately.
func (l *looker) read(pid int) (process, bool) {
	if until, ok := l.boring[pid]; ok {
		if l.now.Before(until) {
			return process{}, false
		}
		delete(l.boring, pid)
	}
	p, dir := process{pid: pid}, "/proc/"+strconv.Itoa(pid)+"/"
	var err error
	if p.exe, err = os.Readlink(dir + "exe"); errors.Is(err, os.ErrNotExist) { // the kernel's own, or a zombie
		l.boring[pid] = l.now.Add(boredom)
		return process{}, false
	}
	if l.readStatus(&p, dir) != nil {
		return process{}, false
	}
	p.loginUID = l.text(dir + "loginuid")
	p.cgroup = strings.TrimPrefix(l.text(dir+"cgroup"), "0::")
	if p.owners, err = l.ownersOf(dir); err != nil {
		return process{}, false
	}
	// Last: a number that has gone to another process meanwhile has another start.
	id, err := sys.ProcIDOf(pid)
	if err != nil {
		return process{}, false
	}
	p.start = id.Start
	before, known := l.last[pid]
	if known && before.start != p.start {
		return process{}, false // perhaps half of the one, half of the other: the next look sees it
	}
	if known && before.exe == p.exe && before.name == p.name && before.mark != "" {
		p.mark, p.command, p.gains, p.uidMap = before.mark, before.command, before.gains, before.uidMap
		return p, true
	}
	p.command = strings.TrimSpace(strings.ReplaceAll(l.text(dir+"cmdline"), "\x00", " "))
	for kv := range strings.SplitSeq(l.text(dir+"environ"), "\x00") {
		if mark, ok := strings.CutPrefix(kv, "BURROW_MARK="); ok {
			p.mark = mark
		}
	}
	p.gains = gains(dir + "exe")
	if m, err := idmap.ParseMap(strings.NewReader(l.text(dir+"uid_map") + "\n")); err == nil {
		p.uidMap = m
	}
	return p, true
}

func (l *looker) readStatus(p *process, dir string) (err error) {
	status := l.text(dir + "status")
	if status == "" {
		return os.ErrNotExist
	}
	for line := range strings.Lines(status) {
		name, rest, _ := strings.Cut(line, ":")
		f := strings.Fields(rest)
		switch name {
		case "Name":
			p.name = strings.TrimSpace(rest)
		case "State":
			if f[0] == "Z" || f[0] == "X" {
				return os.ErrProcessDone
			}
		case "PPid":
			p.ppid, err = strconv.Atoi(f[0])
		case "NSpid":
			p.pids = len(f)
		case "Uid":
			err = numbers(p.uids[:], f)
		case "Gid":
			err = numbers(p.gids[:], f)
		case "Groups":
			p.groups = make([]uint32, len(f))
			err = numbers(p.groups, f)
		case "CapEff":
			p.effective, err = strconv.ParseUint(f[0], 16, 64)
		case "NoNewPrivs":
			p.noNewPrivs = f[0] == "1"
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func numbers(out []uint32, fields []string) error {
	for i, f := range fields {
		n, err := strconv.ParseUint(f, 10, 32)
		if err != nil {
			return err
		}
		out[i] = uint32(n)
	}
	return nil
}

// text reads a file of /proc in one go: an emulated processor is slow enough.
func (l *looker) text(path string) string {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, l.buf)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(l.buf[:n]))
}

// space is a user namespace that a look has met: who owns it and those around it. It is
// held open, for the number of one that is gone goes to another.
type space struct {
	held   *os.File
	owners []uint32
}

// ownersOf are the owners of the user namespaces around a process, innermost first. They
// do not change, so the kernel is asked once for each namespace that is held.
func (l *looker) ownersOf(dir string) ([]uint32, error) {
	name, err := os.Readlink(dir + "ns/user")
	if err != nil {
		return nil, err
	}
	if known, ok := l.spaces[name]; ok {
		l.next[name] = known
		return known.owners, nil
	}
	ns, err := os.Open(dir + "ns/user")
	if err != nil {
		return nil, err
	}
	id, err := sys.NamespaceIDOf(ns)
	if err != nil {
		ns.Close()
		return nil, err
	}
	found, err := owners(ns)
	name = fmt.Sprintf("user:[%d]", id.Inode) // it may have entered another one meanwhile
	if _, ok := l.next[name]; ok || err != nil {
		ns.Close()
		return found, err
	}
	l.next[name] = space{ns, found}
	return found, nil
}

// forget lets go of the namespaces that this look has not met.
func (l *looker) forget() {
	for name, s := range l.spaces {
		if _, ok := l.next[name]; !ok {
			s.held.Close()
		}
	}
	l.spaces = l.next
}

// owners walks out of a user namespace until the kernel says that there is no more
// to see: at the initial one.
func owners(ns *os.File) ([]uint32, error) {
	var out []uint32
	for first := ns; ; {
		owner, ownerErr := sys.NamespaceOwner(ns)
		parent, err := sys.NamespaceParent(ns)
		if ns != first {
			ns.Close()
		}
		if ownerErr == nil && errors.Is(err, unix.EPERM) {
			return out, nil
		}
		if err := errors.Join(ownerErr, err); err != nil {
			return nil, err
		}
		out = append(out, owner)
		ns = parent
	}
}

func gains(exe string) bool {
	var st unix.Stat_t
	if unix.Stat(exe, &st) != nil {
		return false
	}
	n, err := unix.Getxattr(exe, "security.capability", nil)
	return st.Mode&(unix.S_ISUID|unix.S_ISGID) != 0 || err == nil && n > 0
}
