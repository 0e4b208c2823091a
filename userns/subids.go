package userns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/burrow-run/burrow/idmap"
)

// User is whose anchor it is.
type User struct {
	Name     string // may be empty: the number then counts
	UID, GID uint32
}

// Maps returns the anchor's maps for the user: 0 is the user, the rest the
// sub-IDs of /etc/subuid and /etc/subgid, else those that getsubids(1) knows (LDAP,
// SSSD). Sub-IDs that somebody else has too are refused (idmap.OverlapError); none
// at all is no error: the maps then hold the user alone.
func Maps(ctx context.Context, u User) (uids, gids idmap.Map, err error) {
	self := idmap.User{Name: u.Name, UID: u.UID}
	uidRanges, err := ranges(ctx, self, "/etc/subuid", "/etc/passwd", false)
	if err != nil {
		return nil, nil, err
	}
	gidRanges, err := ranges(ctx, self, "/etc/subgid", "/etc/group", true)
	if err != nil {
		return nil, nil, err
	}
	if len(uidRanges) == 0 || len(gidRanges) == 0 {
		uidRanges, gidRanges = nil, nil // one without the other is of no use
	}
	return idmap.Anchor(u.UID, uidRanges), idmap.Anchor(u.GID, gidRanges), nil
}

// ranges are the user's ranges of one kind, checked against everybody else's.
func ranges(ctx context.Context, u idmap.User, table, accounts string, gid bool) ([]idmap.Range, error) {
	t, err := readTable(table)
	if err != nil {
		return nil, err
	}
	own, err := t.Ranges(u)
	if errors.Is(err, idmap.ErrNoSubIDs) {
		own, err = getsubids(ctx, u, gid)
	}
	if err != nil || len(own) == 0 {
		return nil, err
	}
	b, err := os.ReadFile(accounts)
	if err != nil {
		return nil, fmt.Errorf("check sub-IDs: %w", err)
	}
	known, err := idmap.ParseAccounts(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return own, idmap.CheckOverlap(u, own, t, known, gid)
}

func readTable(path string) (*idmap.Table, error) {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return idmap.ParseTable(bytes.NewReader(b), path)
}

// getsubids asks the name service; a host without it, or that answers in error,
// has no further sub-IDs.
func getsubids(ctx context.Context, u idmap.User, gid bool) ([]idmap.Range, error) {
	path, err := exec.LookPath("getsubids")
	if err != nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, helperTimeout)
	defer cancel()
	who := u.Name
	if who == "" {
		who = strconv.FormatUint(uint64(u.UID), 10)
	}
	args := []string{who}
	if gid {
		args = []string{"-g", who}
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"LC_ALL=C"}
	out, err := cmd.Output()
	if err != nil {
		return nil, nil // no answer means no sub-IDs from there
	}
	found, err := idmap.ParseGetsubids(bytes.NewReader(out), u)
	if errors.Is(err, idmap.ErrNoSubIDs) {
		return nil, nil
	}
	return found, err
}
