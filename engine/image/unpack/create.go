package unpack

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS
	strict  = beneath | unix.RESOLVE_NO_SYMLINKS
)

// open opens name below the root. O_PATH descriptors need no permission.
func (u *unpacker) open(name string, flags int, resolve uint64) (int, error) {
	for {
		fd, err := unix.Openat2(u.root, name, &unix.OpenHow{Flags: uint64(flags) | unix.O_CLOEXEC, Resolve: resolve})
		switch {
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.EAGAIN): // EAGAIN: a rename elsewhere, retry as openat2(2) says
			continue
		case errors.Is(err, unix.EXDEV):
			return -1, errors.New("a symbolic link in the path leads out of the layer")
		case err != nil:
			return -1, err
		}
		return fd, nil
	}
}

// parent returns a descriptor of the directory that name is in, making it if
// the layer did not. It stays valid until the next call. linked says that the
// path goes through a symbolic link.
func (u *unpacker) parent(name string) (fd int, linked bool, err error) {
	dir := path.Dir(name)
	if dir == "." {
		return u.root, false, nil
	}
	if dir == u.lastDir {
		return u.lastFD, u.lastLinked, nil
	}
	fd, err = u.open(dir, unix.O_PATH|unix.O_DIRECTORY, strict)
	if errors.Is(err, unix.ELOOP) {
		linked = true
		fd, err = u.open(dir, unix.O_PATH|unix.O_DIRECTORY, beneath)
	}
	if errors.Is(err, unix.ENOENT) {
		if err = u.makeParents(dir); err == nil {
			fd, err = u.open(dir, unix.O_PATH|unix.O_DIRECTORY, beneath)
		}
	}
	if err != nil {
		return -1, false, fmt.Errorf("open the directory it is in: %w", err)
	}
	u.forget()
	u.lastDir, u.lastFD, u.lastLinked = dir, fd, linked
	return fd, linked, nil
}

// forget drops the remembered directory. It must be called when anything but
// a file is removed: the name may stand for another directory afterwards.
func (u *unpacker) forget() {
	if u.lastFD >= 0 {
		_ = unix.Close(u.lastFD)
	}
	u.lastDir, u.lastFD = "", -1
}

// makeParents makes the directories of dir that no entry has made, as every
// other engine does: root's, 0755.
func (u *unpacker) makeParents(dir string) error {
	at := u.root
	for i := range len(dir) + 1 {
		if i < len(dir) && dir[i] != '/' {
			continue
		}
		prefix := dir[:i]
		fd, err := u.open(prefix, unix.O_PATH|unix.O_DIRECTORY, beneath)
		if errors.Is(err, unix.ENOENT) {
			if err = unix.Mkdirat(at, path.Base(prefix), 0o755); err == nil {
				fd, err = u.open(prefix, unix.O_PATH|unix.O_DIRECTORY, beneath)
			}
		}
		if at != u.root {
			_ = unix.Close(at)
		}
		if err != nil {
			return err
		}
		at = fd
	}
	if at != u.root {
		return unix.Close(at)
	}
	return nil
}

// create makes one entry that is neither the root nor a whiteout.
func (u *unpacker) create(name string, hdr *tar.Header) error {
	dir, linked, err := u.parent(name)
	if err != nil {
		return err
	}
	if hdr.Uid != 0 || hdr.Gid != 0 || hdr.Typeflag == tar.TypeLink { // a link's owner is its target's
		u.mayBeForeign(name, linked)
	}
	base := path.Base(name)
	switch hdr.Typeflag {
	case tar.TypeReg, tar.TypeRegA, tar.TypeCont, tar.TypeGNUSparse: //nolint:staticcheck // old archives have TypeRegA
		return u.regular(dir, base, name, hdr, linked)
	case tar.TypeDir:
		return u.directory(dir, base, name, hdr)
	case tar.TypeSymlink:
		if hdr.Linkname == "" || strings.IndexByte(hdr.Linkname, 0) >= 0 {
			return errors.New("the symbolic link has no valid target")
		}
		err = u.fresh(dir, base, func() error { return unix.Symlinkat(hdr.Linkname, dir, base) })
	case tar.TypeLink:
		return u.hardLink(dir, base, hdr)
	case tar.TypeFifo:
		err = u.fresh(dir, base, func() error { return unix.Mknodat(dir, base, unix.S_IFIFO|0o600, 0) })
	case tar.TypeChar, tar.TypeBlock:
		// A user namespace cannot make devices; 0:0 would be a whiteout in disguise.
		u.res.Skipped++
		return nil
	default:
		return fmt.Errorf("unknown type %q", hdr.Typeflag)
	}
	if err != nil {
		return err
	}
	return u.metadata(dir, base, hdr)
}

// fresh runs mk, which makes base in dir, and once more if something had to
// make way.
func (u *unpacker) fresh(dir int, base string, mk func() error) error {
	err := mk()
	if errors.Is(err, unix.EEXIST) {
		if err = u.makeWay(dir, base); err == nil {
			err = mk()
		}
	}
	return err
}

// makeWay removes what an earlier entry of this layer made under the name. A
// file with content stays: tar-split has noted its name, and the other engines
// refuse such a layer too.
func (u *unpacker) makeWay(dir int, base string) error {
	if err := u.out.drain(); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	flags := 0
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		flags = unix.AT_REMOVEDIR
	case st.Mode&unix.S_IFMT == unix.S_IFREG && st.Size > 0:
		return errors.New("the layer has two files of this name")
	}
	err := unix.Unlinkat(dir, base, flags)
	if errors.Is(err, unix.ENOTEMPTY) {
		return errors.New("the layer has a directory with content of this name")
	}
	// dir itself may be the remembered directory; what was removed may be
	// part of its path only if it was a link or directory elsewhere.
	if u.lastDir != "" && dir != u.lastFD {
		u.forget()
	}
	return err
}

func (u *unpacker) directory(dir int, base, name string, hdr *tar.Header) error {
	err := unix.Mkdirat(dir, base, 0o755)
	if errors.Is(err, unix.EEXIST) {
		var st unix.Stat_t
		if err = unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			err = u.replaceByDirectory(dir, base, &st)
		}
	}
	if err != nil {
		return err
	}
	u.dirs = append(u.dirs, newDirMeta(name, hdr))
	return nil
}

// replaceByDirectory also keeps the meaning of a whiteout that came first: the
// directory must not show what lower layers have under its name.
func (u *unpacker) replaceByDirectory(dir int, base string, st *unix.Stat_t) error {
	if err := u.makeWay(dir, base); err != nil {
		return err
	}
	if err := unix.Mkdirat(dir, base, 0o755); err != nil {
		return err
	}
	if isWhiteout(st) {
		return setOpaque(dir, base)
	}
	return nil
}

func (u *unpacker) regular(dir int, base, name string, hdr *tar.Header, linked bool) error {
	fd, mode := -1, uint32(0o600)
	if u.exact {
		mode = uint32(hdr.Mode & 0o777)
	}
	err := u.fresh(dir, base, func() (err error) {
		fd, err = unix.Openat(dir, base, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		return err
	})
	if err != nil {
		return err
	}
	// What tar-split cannot find again under this name it keeps in full:
	// names that pass a link, and sparse files, whose bytes are not the file's.
	if hdr.Size > 0 && !linked && hdr.Typeflag != tar.TypeGNUSparse && !isSparse(hdr) {
		u.split.begin()
		err = u.copy(fd, hdr)
		u.split.end(name, hdr.Size)
	} else {
		err = u.copy(fd, hdr)
	}
	return err
}

func isSparse(hdr *tar.Header) bool {
	for k := range hdr.PAXRecords {
		if strings.HasPrefix(k, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// copy hands the content that follows to the writer, and fd with it.
func (u *unpacker) copy(fd int, hdr *tar.Header) error {
	p := piece{fd: fd, name: hdr.Name}
	for {
		buf := u.out.room()
		n, err := u.tr.Read(buf)
		u.split.payload(buf[:n])
		if merr := u.meter.add(n); merr != nil {
			err = merr
		}
		p.size = n
		switch {
		case errors.Is(err, io.EOF):
			p.last, p.hdr = true, hdr
			return u.out.add(p)
		case err != nil:
			p.last = true
			_ = u.out.add(p)
			return err
		}
		if err := u.out.add(p); err != nil {
			_ = u.out.add(piece{fd: fd, last: true})
			return err
		}
	}
}

func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		b = b[max(n, 0):]
	}
	return nil
}

// hardLink links to an entry of the same layer, never following a link.
func (u *unpacker) hardLink(dir int, base string, hdr *tar.Header) error {
	target, err := cleanName(hdr.Linkname)
	if err != nil {
		return fmt.Errorf("hard link to %.300q: %w", hdr.Linkname, err)
	}
	from, err := u.open(path.Dir(target), unix.O_PATH|unix.O_DIRECTORY, beneath)
	if err != nil {
		return fmt.Errorf("hard link to %.300q: %w", hdr.Linkname, err)
	}
	defer unix.Close(from)
	var st unix.Stat_t
	if err := unix.Fstatat(from, path.Base(target), &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fmt.Errorf("hard link to %.300q: %w", hdr.Linkname, err)
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR || isWhiteout(&st) {
		return fmt.Errorf("hard link to %.300q, which is no file", hdr.Linkname)
	}
	return u.fresh(dir, base, func() error { return unix.Linkat(from, path.Base(target), dir, base, 0) })
}
