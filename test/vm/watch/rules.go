package main

import (
	"fmt"
	"os"
	osuser "os/user"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/idmap"
)

// user is one that processes may be put down to.
type user struct {
	name       string
	uid, gid   uint32
	groups     []uint32
	uids, gids []idmap.Range // all that he may have, sub-IDs and his own
	home       string
}

func findUsers(names []string) ([]user, error) {
	var out []user
	for _, name := range names {
		account, err := osuser.Lookup(name)
		if err != nil {
			return nil, err
		}
		u := user{name: name, home: account.HomeDir}
		list, err := account.GroupIds()
		if err != nil {
			return nil, err
		}
		u.groups = make([]uint32, len(list))
		ids := make([]uint32, 2)
		if err := numbers(ids, []string{account.Uid, account.Gid}); err != nil {
			return nil, err
		}
		if err := numbers(u.groups, list); err != nil {
			return nil, err
		}
		u.uid, u.gid = ids[0], ids[1]
		if u.uids, err = subIDs("/etc/subuid", u); err != nil {
			return nil, err
		}
		if u.gids, err = subIDs("/etc/subgid", u); err != nil {
			return nil, err
		}
		u.uids = append(u.uids, idmap.Range{Start: u.uid, Count: 1})
		for _, g := range append(u.groups, u.gid) {
			u.gids = append(u.gids, idmap.Range{Start: g, Count: 1})
		}
		out = append(out, u)
	}
	return out, nil
}

func subIDs(path string, u user) ([]idmap.Range, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := idmap.ParseTable(f, path)
	if err != nil {
		return nil, err
	}
	return t.Ranges(idmap.User{Name: u.name, UID: u.uid})
}

// The rules, by the names that docs/security.md has for them.
const (
	ruleLogin  = "A1" // the login UID is the user's
	ruleIDs    = "A2" // all IDs are the user's or his sub-IDs
	ruleOwner  = "A3" // the outermost user namespace below the host's is the user's
	ruleCgroup = "A4" // it is accounted to the user
	ruleGains  = "A5" // nothing gains rights by being executed but newuidmap and newgidmap
	ruleWhois  = "whois"
	nobody     = "nobody"
)

type violation struct{ rule, text string }

// witness is what one source says about whose a process is.
type witness struct{ rule, user, text string }

// judge says whose a process is, by most of the witnesses, and what speaks against it.
func judge(users []user, p process) (whose string, found []violation) {
	witnesses := []witness{
		{ruleLogin, byLogin(users, p), "auid " + p.loginUID},
		{ruleIDs, byIDs(users, p), fmt.Sprintf("UIDs %d, GIDs %d, groups %d", p.uids, p.gids, p.groups)},
		{ruleCgroup, byCgroup(users, p), "cgroup " + p.cgroup},
	}
	if len(p.owners) > 0 {
		outermost := p.owners[len(p.owners)-1]
		witnesses = append(witnesses, witness{ruleOwner, byUID(users, outermost), fmt.Sprintf("owner %d", outermost)})
	}
	votes := map[string]int{}
	for _, w := range witnesses {
		votes[w.user]++
	}
	whose = nobody
	for _, u := range users {
		if votes[u.name] > votes[whose] || whose == nobody && votes[u.name] > 0 {
			whose = u.name
		}
	}
	for _, w := range witnesses {
		if w.user != whose || whose == nobody {
			found = append(found, violation{w.rule, fmt.Sprintf("%s is %s's, the others say %s's", w.text, w.user, whose)})
		}
	}
	return whose, append(found, gained(p)...)
}

// gained is about rights that come with an executable. Inside, no_new_privs makes the
// bits of an image's files mean nothing.
func gained(p process) []violation {
	if mapper(p) {
		return nil
	}
	var found []violation
	if p.gains && !p.noNewPrivs {
		found = append(found, violation{ruleGains, "executes " + p.exe})
	}
	if len(p.owners) == 0 && p.effective != 0 {
		found = append(found, violation{ruleGains, fmt.Sprintf("has capabilities %x on the host", p.effective)})
	}
	return found
}

// mapper says that a process is one of the two that may gain rights.
func mapper(p process) bool {
	return len(p.owners) == 0 && (p.exe == "/usr/bin/newuidmap" || p.exe == "/usr/bin/newgidmap")
}

func byUID(users []user, uid uint32) string {
	for _, u := range users {
		if u.uid == uid {
			return u.name
		}
	}
	return nobody
}

func byLogin(users []user, p process) string {
	n, err := strconv.ParseUint(p.loginUID, 10, 32)
	if err != nil {
		return nobody
	}
	return byUID(users, uint32(n))
}

func byIDs(users []user, p process) string {
	uids, gids := p.uids[:], append(p.gids[:], p.groups...)
	if mapper(p) { // it is the user's by its real IDs
		uids, gids = uids[:1], gids[:1]
	}
	for _, u := range users {
		if within(u.uids, uids) && within(u.gids, gids) {
			return u.name
		}
	}
	return nobody
}

func within(ranges []idmap.Range, ids []uint32) bool {
	for _, id := range ids {
		in := false
		for _, r := range ranges {
			in = in || r.Contains(id)
		}
		if !in {
			return false
		}
	}
	return true
}

func byCgroup(users []user, p process) string {
	for _, u := range users {
		if strings.HasPrefix(p.cgroup, fmt.Sprintf("/user.slice/user-%d.slice/", u.uid)) {
			return u.name
		}
	}
	return nobody
}
