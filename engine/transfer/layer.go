package transfer

import (
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Names that mean something in a layer of an image (image-spec, layer.md).
const (
	whiteoutPrefix = ".wh."
	opaqueMarker   = ".wh..wh..opq"
)

// overlayAttrs is where overlay keeps its own notes in a user namespace.
const overlayAttrs = "user.overlay."

// Opaque says whether an upper directory hides the lower layers' entirely.
func Opaque(dir *os.File) bool { return isOpaque(dir) }

func isOpaque(dir *os.File) bool {
	buf := make([]byte, 8)
	n, err := unix.Fgetxattr(int(dir.Fd()), overlayAttrs+"opaque", buf)
	return err == nil && string(buf[:n]) == "y"
}

func (w *Walker) whiteout(name string, st *unix.Stat_t, to Sink) error {
	return w.marker(path.Join(path.Dir(name), whiteoutPrefix+path.Base(name)), st, to)
}

func (w *Walker) opaque(dir string, st *unix.Stat_t, to Sink) error {
	return w.marker(path.Join(dir, opaqueMarker), st, to)
}

func (w *Walker) marker(name string, st *unix.Stat_t, to Sink) error {
	e := w.make(name, st)
	e.Mode, e.UID, e.GID, e.Rdev, e.Body = unix.S_IFREG|0o600, 0, 0, 0, strings.NewReader("")
	return to.Put(e)
}

// readXattrs are the attributes that an image keeps: file capabilities and
// those of users. What cannot be read is left out, as on a file system without.
func readXattrs(f *os.File) map[string]string {
	fd := int(f.Fd())
	size, err := unix.Flistxattr(fd, nil)
	if err != nil || size == 0 {
		return nil
	}
	list := make([]byte, size)
	if size, err = unix.Flistxattr(fd, list); err != nil {
		return nil
	}
	var out map[string]string
	for attr := range strings.SplitSeq(strings.TrimSuffix(string(list[:size]), "\x00"), "\x00") {
		if attr != capability && (!strings.HasPrefix(attr, "user.") || strings.HasPrefix(attr, overlayAttrs)) {
			continue
		}
		value := make([]byte, 64<<10) // XATTR_SIZE_MAX
		n, err := unix.Fgetxattr(fd, attr, value)
		if err != nil {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[attr] = withoutRoot(attr, string(value[:n]))
	}
	return out
}

const capability = "security.capability"

// withoutRoot makes file capabilities those of whatever namespace the file is
// unpacked in: revision 3 names the root of one, revision 2 does not
// (capabilities(7), "File capability extended attribute versioning").
func withoutRoot(attr, value string) string {
	const lenV2, lenV3 = 20, 24
	if attr != capability || len(value) != lenV3 || value[3] != 3 {
		return value
	}
	return value[:3] + "\x02" + value[4:lenV2]
}
