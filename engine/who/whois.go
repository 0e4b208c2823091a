package who

import (
	"fmt"
	"os"
	"strings"

	"github.com/burrow-run/burrow/idmap"
)

// Answer says whom a process or an ID belongs to.
type Answer struct {
	PID int `json:"pid,omitempty"` // if a process was asked for
	// HostUID and HostGID are the IDs as the host knows them.
	HostUID *uint32 `json:"host_uid,omitempty"`
	HostGID *uint32 `json:"host_gid,omitempty"`
	// User is who is answerable; Evidence is how that is known.
	User     User     `json:"user"`
	Evidence Evidence `json:"evidence"`
	// Owners are the UIDs that own the user namespaces around the process,
	// innermost first.
	Owners []uint32 `json:"namespace_owners,omitempty"`
	// Inside are the containers: one, or those that share a slice.
	Inside []Inside `json:"containers,omitempty"`
	// Note tells what else is known of the ID.
	Note string `json:"note,omitempty"`
}

// User is an account. UID is nil where only a name is known.
type User struct {
	Name string  `json:"name,omitempty"`
	UID  *uint32 `json:"uid,omitempty"`
}

// String is "alice (1000)", as far as it is known.
func (u User) String() string {
	switch {
	case u.UID == nil && u.Name == "":
		return "unknown"
	case u.UID == nil:
		return u.Name
	case u.Name == "":
		return fmt.Sprintf("UID %d", *u.UID)
	}
	return fmt.Sprintf("%s (%d)", u.Name, *u.UID)
}

// Evidence is how a user is known.
type Evidence string

// The kinds of evidence, from the strongest to none.
const (
	ByNamespace Evidence = "namespace owner" // the kernel says so
	ByAccount   Evidence = "account"         // it runs as this user
	BySubID     Evidence = "sub-ID"          // /etc/subuid or /etc/subgid says so
	Unknown     Evidence = "none"
)

// Inside is an ID as a container sees it. UID and GID are nil where it has no
// number there.
type Inside struct {
	ID      string  `json:"id"`
	Name    string  `json:"name,omitempty"`
	Running bool    `json:"running"`
	UID     *uint32 `json:"uid,omitempty"`
	GID     *uint32 `json:"gid,omitempty"`
}

// PID says who is answerable for a process and what it is to its container.
func (s Sources) PID(pid int) (Answer, error) {
	p, err := readProcess(pid)
	if err != nil {
		return Answer{}, err
	}
	if s.InAnchor {
		p.outside(s)
	}
	a := Answer{PID: pid, HostUID: &p.uid, HostGID: &p.gid, Evidence: Unknown}
	for _, n := range p.chain {
		a.Owners = append(a.Owners, n.owner)
	}
	if len(a.Owners) > 0 {
		owner := a.Owners[len(a.Owners)-1]
		a.User, a.Evidence = User{Name: s.userName(owner), UID: &owner}, ByNamespace
	} else {
		a.User, a.Evidence = s.owner(p.uid, s.Accounts, s.SubUIDs)
	}
	if p.hidden {
		a.Note = "its namespaces are not yours to see"
	}
	s.insideOf(&a, p)
	return a, nil
}

// insideOf finds the container whose namespace is around the process, and
// failing that, by its IDs.
func (s Sources) insideOf(a *Answer, p process) {
	boot := bootID()
	for _, r := range s.records() {
		user, pid, ok := r.namespaces(boot)
		if !ok {
			continue
		}
		for i, n := range p.chain {
			// The anchor, outermost, is around all containers; one of mode host
			// lives in it and is known by its processes.
			if n.id != user || (i == len(p.chain)-1 && pid != p.pidNS) {
				continue
			}
			in := Inside{ID: r.ID, Name: r.Name, Running: true}
			in.UID, in.GID = s.through(r, p.uid, p.gid)
			if i == 0 { // the kernel's own map is surer than the record's
				in.UID, in.GID = inner(p.uids, p.uid), inner(p.gids, p.gid)
			}
			a.Inside = append(a.Inside, in)
			return
		}
	}
	if len(p.chain) < 2 && !p.hidden {
		return // a process of the host or of the anchor, whatever its UID
	}
	if id, ok := s.UIDs.Container(p.uid); !ok || id == 0 {
		return // the user's own ID tells nothing: many containers have it
	}
	for _, in := range s.holders(s.UIDs, p.uid, func(r record) idmap.Map { return r.UIDMap }) {
		in.UID = inner(p.uids, p.uid)
		in.GID = inner(p.gids, p.gid)
		a.Inside = append(a.Inside, in)
	}
}

// through translates host IDs by the record: to the anchor's, then the
// container's.
func (s Sources) through(r record, uid, gid uint32) (u, g *uint32) {
	if id, ok := s.UIDs.Container(uid); ok {
		u = inner(r.UIDMap, id)
	}
	if id, ok := s.GIDs.Container(gid); ok {
		g = inner(r.GIDMap, id)
	}
	return u, g
}

// inner is the ID inside a map, or nil.
func inner(m idmap.Map, outer uint32) *uint32 {
	id, ok := m.Container(outer)
	if !ok {
		return nil
	}
	return &id
}

// HostUID says whom a user ID of the host belongs to.
func (s Sources) HostUID(uid uint32) Answer {
	a := Answer{HostUID: &uid}
	a.User, a.Evidence = s.owner(uid, s.Accounts, s.SubUIDs)
	a.Note = s.note(s.UIDs, uid)
	a.Inside = s.holders(s.UIDs, uid, func(r record) idmap.Map { return r.UIDMap })
	return a
}

// HostGID says whom a group ID of the host belongs to.
func (s Sources) HostGID(gid uint32) Answer {
	a := Answer{HostGID: &gid}
	a.User, a.Evidence = s.owner(gid, nil, s.SubGIDs)
	if group := name(s.Groups, gid); group != "" && a.Evidence == Unknown {
		a.Note = "group " + group
		return a
	}
	a.Note = s.note(s.GIDs, gid)
	a.Inside = s.holders(s.GIDs, gid, func(r record) idmap.Map { return r.GIDMap })
	for i := range a.Inside {
		a.Inside[i].UID, a.Inside[i].GID = nil, a.Inside[i].UID
	}
	return a
}

// owner is the account that has the ID, or who has it as a sub-ID.
func (s Sources) owner(id uint32, accounts []idmap.Account, t *idmap.Table) (User, Evidence) {
	if n := name(accounts, id); n != "" {
		return User{Name: n, UID: &id}, ByAccount
	}
	if t != nil {
		if owner, ok := t.Owner(id); ok {
			return s.userOf(owner), BySubID
		}
	}
	if _, ok := s.UIDs.Container(id); ok && t == s.SubUIDs { // from getsubids rather than the file
		uid := s.User.UID
		return User{Name: s.User.Name, UID: &uid}, BySubID
	}
	return User{}, Unknown
}

// note says of an ID of ours what it is for, if no container tells.
func (s Sources) note(anchor idmap.Map, id uint32) string {
	in, ok := anchor.Container(id)
	switch {
	case !ok || s.Ledger == nil:
		return ""
	case in == 0:
		return "the user's own, and root in containers of mode unique"
	case s.Ledger.Reserved().Contains(in):
		return "owner of files in image layers"
	}
	return ""
}

// holders are the containers that map an ID of the host. A running one whose
// record says so comes from there; the ledger knows of more: containers that
// are just being made, and volumes.
func (s Sources) holders(anchor idmap.Map, id uint32, side func(record) idmap.Map) []Inside {
	in, ok := anchor.Container(id)
	if !ok {
		return nil
	}
	boot, all := bootID(), s.records()
	var out []Inside
	seen := map[string]bool{}
	for _, r := range all {
		if n := inner(side(r), in); n != nil && r.running(boot) {
			out = append(out, Inside{ID: r.ID, Name: r.Name, Running: true, UID: n})
			seen[r.ID] = true
		}
	}
	if s.Ledger == nil || in == 0 {
		return out
	}
	hs, err := s.Ledger.Find(in)
	if err != nil {
		return out // the records are an answer too
	}
	for _, h := range hs {
		if seen[h.Name()] {
			continue
		}
		e := Inside{ID: h.Name(), Name: nameOf(all, h.Container), Running: h.PID != 0}
		e.UID = inner(sliceMap(h), in)
		out = append(out, e)
	}
	return out
}

// sliceMap is what a slice makes of its IDs in every mode but for the user's.
func sliceMap(h idmap.Holder) idmap.Map {
	m := idmap.Map{{Container: 0, Host: h.IDs.Start, Count: h.Slice.Size}}
	for c, a := range h.Extras {
		m = append(m, idmap.Extent{Container: c, Host: a, Count: 1})
	}
	return m
}

func nameOf(rs []record, id string) string {
	for _, r := range rs {
		if r.ID == id {
			return r.Name
		}
	}
	return ""
}

// bootID is the kernel's, or "" which no record has.
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}
