package who

import (
	"strconv"

	"github.com/burrow-run/burrow/idmap"
)

// Sources are where the answers come from. Only User is required; what is
// absent leaves answers open.
type Sources struct {
	User idmap.User // who asks
	// UIDs and GIDs are the anchor's maps: anchor ID to host ID.
	UIDs, GIDs idmap.Map
	// SubUIDs and SubGIDs are /etc/subuid and /etc/subgid.
	SubUIDs, SubGIDs *idmap.Table
	// Accounts and Groups are passwd and group.
	Accounts, Groups []idmap.Account
	Ledger           *idmap.Ledger
	Containers       string // directory of the containers' records
	// InAnchor: the asking process is in the anchor, where /proc shows the anchor's IDs.
	InAnchor bool
}

// name is the account that has the UID, or "".
func name(accounts []idmap.Account, id uint32) string {
	for _, a := range accounts {
		if a.ID == id {
			return a.Name
		}
	}
	return ""
}

// userOf turns what stands in /etc/subuid, a name or a number, into a user.
func (s Sources) userOf(owner string) User {
	if n, err := strconv.ParseUint(owner, 10, 32); err == nil {
		uid := uint32(n)
		return User{Name: s.userName(uid), UID: &uid}
	}
	for _, a := range s.Accounts {
		if a.Name == owner {
			return User{Name: owner, UID: &a.ID}
		}
	}
	if owner == s.User.Name {
		uid := s.User.UID
		return User{Name: owner, UID: &uid}
	}
	return User{Name: owner}
}

func (s Sources) userName(uid uint32) string {
	if n := name(s.Accounts, uid); n != "" || uid != s.User.UID {
		return n
	}
	return s.User.Name
}
