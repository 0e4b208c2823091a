package unpack

import (
	"errors"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Names of the OCI image format (layer.md, "Whiteouts").
const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
	metadataPrefix = ".wh..wh."
)

// xattrOpaque is what overlay reads when it is mounted with userxattr.
const xattrOpaque = "user.overlay.opaque"

// inMetadata says that name lies in a directory of AUFS's own, which is no
// part of the image.
func inMetadata(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return strings.HasPrefix(first, metadataPrefix)
}

// isWhiteout says that st is overlay's mark for a removed name.
func isWhiteout(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0
}

// whiteout hides what lower layers have. It never touches what this layer
// has, whichever came first.
func (u *unpacker) whiteout(dir, base string) error {
	if base == opaqueMarker {
		fd, _, err := u.parent(path.Join(dir, base))
		if err != nil {
			return err
		}
		return setOpaque(fd, "")
	}
	if strings.HasPrefix(base, metadataPrefix) {
		return nil
	}
	hidden := strings.TrimPrefix(base, whiteoutPrefix)
	if hidden == "" || hidden == "." || hidden == ".." {
		return errors.New("the whiteout hides no valid name")
	}
	fd, _, err := u.parent(path.Join(dir, base))
	if err != nil {
		return skipHidden(err)
	}
	err = unix.Mknodat(fd, hidden, unix.S_IFCHR, 0)
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(fd, hidden, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return setOpaque(fd, hidden)
	}
	return nil // a file hides the lower one anyway
}

// skipHidden lets pass a whiteout below a name that is whited out itself, as
// some builders write it.
func skipHidden(err error) error {
	if errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return err
}

// setOpaque marks the directory base in dir, or dir itself if base is empty.
func setOpaque(dir int, base string) error {
	if base == "" {
		base = "."
	}
	fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fsetxattr(fd, xattrOpaque, []byte("y"), 0)
}
