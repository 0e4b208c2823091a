package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// verify says what of a stored layer is not as it was unpacked, one line each. It
// makes the layer's archive again, which finds content that has changed, unpacks
// that, and compares the two trees, which finds everything else.
func (s *Store) verify(ctx context.Context, l *storage.Layer) ([]string, error) {
	body, err := s.tarOf(l.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return []string{"what its archive was like is gone"}, nil
	}
	if err != nil {
		return []string{err.Error()}, nil
	}
	again, err := s.stage(ctx, body, claim{digest: l.CompressedDigest})
	if err = errors.Join(err, body.Close()); again != nil {
		defer s.discard(again)
	}
	switch {
	case ctx.Err() != nil, errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return nil, errors.Join(err, ctx.Err())
	case err != nil:
		return []string{err.Error()}, nil
	case again.diffID != l.UncompressedDigest:
		return []string{fmt.Sprintf("its digest is %s, not %s", again.diffID, l.UncompressedDigest)}, nil
	}
	want, err := treeOf(again.out.Target)
	if err != nil {
		return nil, err
	}
	have, err := treeOf(s.layerDir(l.ID))
	if err != nil {
		return []string{err.Error()}, nil
	}
	return differences(want, have), nil
}

// condition is what of a file can be damaged beside its bytes. Times are left out: a
// layer's own directory has none of its own.
type condition struct {
	mode, uid, gid uint32
	size           int64 // of a regular file
	rdev           uint64
	link           string
	attrs          string
}

func treeOf(path string) (map[string]condition, error) {
	root, err := sys.OpenDir(path)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	tree := map[string]condition{}
	err = sys.WalkBeneath(root, func(name string, st *unix.Stat_t) error {
		e := condition{mode: st.Mode, uid: st.Uid, gid: st.Gid, rdev: st.Rdev}
		var err error
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFLNK:
			e.link, err = sys.ReadlinkBeneath(root, name)
		case unix.S_IFREG:
			e.size = st.Size
			e.attrs, err = attributes(root, name)
		case unix.S_IFDIR:
			e.attrs, err = attributes(root, name)
		}
		tree[name] = e
		return err
	})
	return tree, err
}

// attributes are a file's extended attributes on one line, but for the label that
// the host's policy gives it.
func attributes(root *os.File, name string) (string, error) {
	all, err := sys.XattrsBeneath(root, name)
	if err != nil {
		return "", err
	}
	delete(all, "security.selinux")
	var out []byte
	for _, k := range slices.Sorted(maps.Keys(all)) {
		out = fmt.Appendf(out, "%s=%q ", k, all[k])
	}
	return string(out), nil
}

// differences are in the order of names.
func differences(want, have map[string]condition) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		w, h := want[name], have[name]
		switch {
		case h == condition{}:
			out = append(out, "/"+name+" is gone")
		case w.mode != h.mode || w.rdev != h.rdev:
			out = append(out, fmt.Sprintf("/%s has mode %#o, not %#o", name, h.mode, w.mode))
		case w.uid != h.uid || w.gid != h.gid:
			out = append(out, fmt.Sprintf("/%s belongs to %d:%d, not %d:%d", name, h.uid, h.gid, w.uid, w.gid))
		case w.size != h.size, w.link != h.link:
			out = append(out, "/"+name+" has another content")
		case w.attrs != h.attrs:
			out = append(out, "/"+name+" has other attributes")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[name]; !ok {
			out = append(out, "/"+name+" was not there")
		}
	}
	return out
}
