package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
)

const withoutSubIDs = "only --userns=single works: every process of a container under your own UID, no other users inside"

func checkSubIDs(ctx context.Context, h *host) []Finding {
	const name = "sub-IDs"
	uids, err := h.subIDs(ctx, false)
	if err == nil {
		var gids uint64
		if gids, err = h.subIDs(ctx, true); err == nil {
			return judgeSubIDs(name, h.User, min(uids, gids))
		}
	}
	fix := hint.Of(err)
	if errors.Is(err, idmap.ErrOverlap) {
		return bad(name, Fail, err.Error(), "processes of one user could be read and killed by the other; Burrow refuses", fix)
	}
	cost := withoutSubIDs
	if h.UID == 0 {
		cost = "no container can run: Burrow never maps host root into one"
	}
	return bad(name, Fail, err.Error(), cost, fix)
}

// judgeSubIDs compares with what a container takes: 1,024 IDs, sparsely mapped.
func judgeSubIDs(name, user string, n uint64) []Finding {
	const slice = 1024
	detail := fmt.Sprintf("%d for %s, not shared with anyone", n, user)
	if n < slice {
		return bad(name, Warn, detail, "an image that has users with higher IDs does not fit",
			"sudo "+idmap.Grant(user))
	}
	return good(name, fmt.Sprintf("%s; room for %d containers at once", detail, n/slice))
}

// subIDs counts the user's sub-IDs and makes sure that they are nobody else's.
func (h *host) subIDs(ctx context.Context, gid bool) (uint64, error) {
	file, accounts := "/etc/subuid", "/etc/passwd"
	if gid {
		file, accounts = "/etc/subgid", "/etc/group"
	}
	user := idmap.User{Name: h.User, UID: uint32(h.UID)}
	table, err := idmap.ParseTable(strings.NewReader(h.read(file)), file)
	if err != nil {
		return 0, err
	}
	ranges, err := table.Ranges(user)
	if errors.Is(err, idmap.ErrNoSubIDs) {
		if got, gErr := h.getsubids(ctx, user, gid); gErr == nil {
			ranges, err = got, nil
		}
	}
	if err != nil {
		return 0, err
	}
	others, err := idmap.ParseAccounts(strings.NewReader(h.read(accounts)))
	if err != nil {
		return 0, err
	}
	if err := idmap.CheckOverlap(user, ranges, table, others, gid); err != nil {
		return 0, err
	}
	var n uint64
	for _, r := range ranges {
		n += uint64(r.Count)
	}
	return n, nil
}

// getsubids asks where sub-IDs come from a directory service.
func (h *host) getsubids(ctx context.Context, user idmap.User, gid bool) ([]idmap.Range, error) {
	tool := h.program("getsubids")
	if tool == "" {
		return nil, idmap.ErrNoSubIDs
	}
	argv := []string{tool, h.User}
	if gid {
		argv = []string{tool, "-g", h.User}
	}
	out, err := output(ctx, argv...)
	if err != nil {
		return nil, fmt.Errorf("getsubids: %w", err)
	}
	return idmap.ParseGetsubids(strings.NewReader(out), user)
}

// checkMapHelpers looks at newuidmap and newgidmap, the only privileged
// programs that Burrow uses.
func checkMapHelpers(_ context.Context, h *host) []Finding {
	const name = "newuidmap"
	if h.UID == 0 {
		return good(name, "not needed: you are root")
	}
	for _, tool := range []string{"newuidmap", "newgidmap"} {
		if f := h.mapHelper(name, tool); f != nil {
			return f
		}
	}
	if h.status("NoNewPrivs") == "1" {
		return bad(name, Fail, "this process has no_new_privs, so setuid programs have no effect", withoutSubIDs,
			"start Burrow from a login shell, not from inside a sandbox (systemd: NoNewPrivileges=no)")
	}
	return good(name, h.program(name)+" and newgidmap, with privilege")
}

func (h *host) mapHelper(name, tool string) []Finding {
	p := h.program(tool)
	if p == "" {
		return bad(name, Fail, tool+" is not installed", withoutSubIDs, h.install("uidmap", "shadow-utils"))
	}
	var st unix.Stat_t
	if err := unix.Stat(p, &st); err != nil {
		return bad(name, Fail, (&os.PathError{Op: "stat", Path: p, Err: err}).Error(), withoutSubIDs, "")
	}
	caps, _ := unix.Getxattr(p, "security.capability", nil)
	setuid := st.Mode&unix.S_ISUID != 0
	if setuid && st.Uid != 0 {
		return bad(name, Fail, fmt.Sprintf("%s belongs to UID %d, not to root", p, st.Uid), withoutSubIDs,
			"sudo chown root: "+p+" && sudo chmod u+s "+p)
	}
	if !setuid && caps <= 0 {
		return bad(name, Fail, p+" is neither setuid nor has file capabilities", withoutSubIDs, "sudo chmod u+s "+p)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(p, &fs); err == nil && fs.Flags&unix.ST_NOSUID != 0 {
		return bad(name, Fail, p+" is on a file system mounted nosuid", withoutSubIDs,
			`sudo mount -o remount,suid "$(findmnt -n -o TARGET -T `+p+`)"`)
	}
	return nil
}
