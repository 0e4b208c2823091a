package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
)

// nobody owns files that belong to no mapped ID, and many images run as it.
const nobody = 65534

// parseUserns reads the user-namespace flags into r.mode.
func (r *run) parseUserns() (err error) {
	n := r.spec.Namespaces
	if len(n.UIDMap)+len(n.GIDMap) > 0 {
		if n.Userns != "" {
			return fmt.Errorf("--userns=%s cannot be combined with --uidmap or --gidmap", n.Userns)
		}
		r.mode, err = idmap.ExplicitMode(n.UIDMap, n.GIDMap)
		return err
	}
	if n.SubUIDName != "" || n.SubGIDName != "" {
		r.mode, err = namedMode(n.SubUIDName, n.SubGIDName)
		return err
	}
	if r.mode, err = idmap.ParseMode(n.Userns); err != nil {
		return err
	}
	if r.mode.Kind == idmap.Path {
		id, err := r.usernsContainer(r.mode.Target)
		if err != nil {
			return err
		}
		r.mode = idmap.Mode{Kind: idmap.Container, Target: id}
	}
	if n.Userns == "" {
		id, err := r.sharedUserns()
		if err != nil {
			return err
		}
		if id != "" {
			r.mode = idmap.Mode{Kind: idmap.Container, Target: id}
			return nil
		}
	}
	if n.Userns == "" && onlySelf(r.opts.UIDs) {
		return hint.New(fmt.Errorf("container of its own IDs: %w", idmap.ErrNoSubIDs),
			"sudo "+idmap.Grant("$USER")+" && burrow system migrate; "+
				"or --userns=single, where every process has your own UID and chown does not work")
	}
	return nil
}

// namedMode takes the sub-IDs of the names in /etc/subuid and /etc/subgid; one
// name stands for both.
func namedMode(uidName, gidName string) (idmap.Mode, error) {
	uids, err := namedRanges("/etc/subuid", cmp.Or(uidName, gidName))
	if err != nil {
		return idmap.Mode{}, err
	}
	gids, err := namedRanges("/etc/subgid", cmp.Or(gidName, uidName))
	return idmap.NamedMode(idmap.SubIDs{UIDs: uids, GIDs: gids}), err
}

func namedRanges(path, name string) ([]idmap.Range, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	table, err := idmap.ParseTable(f, path)
	if err != nil {
		return nil, err
	}
	return table.Ranges(idmap.User{Name: name})
}

// onlySelf says that the anchor maps nothing but the user.
func onlySelf(m idmap.Map) bool { return m.Size() <= 1 }

// takeSlice takes sub-IDs for this container and computes its maps. IDs mapped
// by hand are held too, so that no slice is made of them.
func (r *run) takeSlice(ctx context.Context) error {
	ledger, err := r.ledger()
	if err != nil {
		return err
	}
	if r.mode.NeedsSlice() {
		if err := r.fromLedger(ctx, ledger); err != nil {
			return err
		}
	}
	if r.mode.Kind == idmap.Container {
		return r.joinContainer(ctx, ledger)
	}
	if !r.mode.OwnNamespace() {
		r.uids, r.gids = wholeAnchor(r.opts.UIDs), wholeAnchor(r.opts.GIDs)
		return nil
	}
	caller := idmap.Caller{AnchorUIDs: r.opts.UIDs, AnchorGIDs: r.opts.GIDs}
	caller.UID, _ = r.opts.UIDs.Host(0)
	caller.GID, _ = r.opts.GIDs.Host(0)
	if r.uids, r.gids, err = idmap.Maps(r.mode, r.slice, caller); err != nil {
		return err
	}
	if r.mode.Kind != idmap.Explicit {
		return nil
	}
	if r.slice, err = ledger.TakeMapped(ctx, r.id, r.uids, r.gids); err != nil {
		return err
	}
	r.later(func() { _ = r.slice.Release() })
	return nil
}

func (r *run) ledger() (*idmap.Ledger, error) {
	return idmap.OpenLedger(r.opts.Dirs.Ledger(), idmap.Available(r.opts.UIDs, r.opts.GIDs), idmap.LedgerOptions{})
}

// wholeAnchor maps the anchor's IDs to themselves: a container without a user
// namespace of its own.
func wholeAnchor(anchor idmap.Map) idmap.Map {
	return idmap.Map{{Container: 0, Host: 0, Count: uint32(anchor.Size())}}
}

func (r *run) fromLedger(ctx context.Context, ledger *idmap.Ledger) (err error) {
	need := idmap.Need{
		Image:     r.image.name,
		Container: r.id,
		UIDs:      []uint32{nobody},
		GIDs:      []uint32{nobody},
		Size:      r.mode.Size,
	}
	if p := r.image.plan; p != nil {
		need.Image = p.ID
		need.UIDs = append(need.UIDs, p.UIDs...)
		need.GIDs = append(need.GIDs, p.GIDs...)
	}
	uid, gid := numericUser(cmp.Or(r.spec.Process.User, r.image.cfg.User))
	need.UIDs = appendID(need.UIDs, uid)
	need.GIDs = appendID(need.GIDs, gid)
	for _, g := range r.spec.Process.Groups {
		need.GIDs = appendID(need.GIDs, g)
	}
	slices.Sort(need.UIDs)
	slices.Sort(need.GIDs)
	need.UIDs, need.GIDs = slices.Compact(need.UIDs), slices.Compact(need.GIDs)
	volumes, peers, err := r.volumeSlice()
	if err != nil {
		return err
	}
	need.Peers = peers
	// That of its volumes, or that which it had when it ran before.
	if r.slice, err = takeFirst(ctx, ledger, need, volumes, r.record.SliceRef); err != nil {
		return err
	}
	r.later(func() { _ = r.slice.Release() })
	return nil
}

// takeFirst takes the first of the slices that can be had, else any.
func takeFirst(ctx context.Context, ledger *idmap.Ledger, need idmap.Need, prefer ...*idmap.SliceRef) (*idmap.Slice, error) {
	for _, ref := range prefer {
		if ref == nil {
			continue
		}
		need.Exact = ref
		s, err := ledger.Take(ctx, need)
		if !errors.Is(err, idmap.ErrHeld) && !errors.Is(err, idmap.ErrExhausted) {
			return s, err
		}
	}
	need.Exact = nil
	return ledger.Take(ctx, need)
}

func numericUser(s string) (uid, gid string) {
	uid, gid, _ = strings.Cut(s, ":")
	return uid, gid
}

// appendID adds s to ids if it is a number that an image's files did not name.
func appendID(ids []uint32, s string) []uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == 0 {
		return ids
	}
	return append(ids, uint32(n))
}
