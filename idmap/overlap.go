package idmap

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// DynamicUsers are the IDs that systemd gives to services with DynamicUser=
// (systemd, docs/UIDS-GIDS.md).
var DynamicUsers = Range{Start: 61184, Count: 65519 - 61184 + 1}

// NspawnPool are the IDs that systemd-nspawn picks from. Distributions put
// sub-IDs there too, so it is worth a remark and not an error.
var NspawnPool = Range{Start: 524288, Count: 1879048191 - 524288 + 1}

// Account is a real user or group: a line of passwd(5) or group(5).
type Account struct {
	Name string
	ID   uint32
}

// ParseAccounts reads passwd(5) or group(5), from a file or from getent(1).
// Lines without a number are nobody's ID and left out.
func ParseAccounts(r io.Reader) ([]Account, error) {
	var out []Account
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20) // a group may have thousands of members
	for sc.Scan() {
		f := strings.SplitN(sc.Text(), ":", 4)
		if len(f) < 3 || strings.HasPrefix(f[0], "#") {
			continue
		}
		id, err := strconv.ParseUint(f[2], 10, 32)
		if err != nil {
			continue
		}
		out = append(out, Account{f[0], uint32(id)})
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	return out, nil
}

// CheckOverlap refuses ranges of u that are somebody else's too: another line
// of the table, u's own other lines, a real account, or systemd's dynamic
// users. Whoever shares sub-IDs can read and kill what runs in them. The error
// is an *OverlapError. gid says that these are group IDs.
func CheckOverlap(u User, own []Range, t *Table, accounts []Account, gid bool) error {
	for i, r := range own {
		e := OverlapError{Owner: u.String(), Range: r, GID: gid}
		for _, o := range own[:i] {
			if r.Overlaps(o) {
				e.Other, e.Taken, e.Where = u.String()+" itself", o, t.Path
				return hintOverlap(&e, t)
			}
		}
		for _, row := range t.rows {
			if row.err == nil && !u.owns(row.owner) && r.Overlaps(row.r) {
				e.Other, e.Taken = row.owner, row.r
				e.Where = fmt.Sprintf("%s:%d", t.Path, row.line)
				return hintOverlap(&e, t)
			}
		}
		for _, a := range accounts {
			if r.Contains(a.ID) {
				e.Other, e.Taken = "account "+a.Name, Range{a.ID, 1}
				return hintOverlap(&e, t)
			}
		}
		if r.Overlaps(DynamicUsers) {
			e.Other, e.Taken = "systemd dynamic users", DynamicUsers
			return hintOverlap(&e, t)
		}
	}
	return nil
}

func hintOverlap(e *OverlapError, t *Table) error {
	add := t.addFlag()
	del := strings.Replace(strings.Fields(add)[0], "add", "del", 1)
	return hint.New(e, fmt.Sprintf("sudo usermod %s %d-%d %s %s",
		del, e.Range.Start, e.Range.end()-1, add, e.Owner))
}
