package transfer

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/idmap"
)

// Entry is one file on its way.
type Entry struct {
	Name     string // relative, clean; "." is the top directory
	Mode     uint32 // st_mode: type and permissions
	UID, GID uint32 // in the container's IDs
	Size     int64
	Time     time.Time
	Link     string // target of a symbolic link; of a hard link, the Name of an earlier entry
	Hard     bool
	Rdev     uint64
	Xattrs   map[string]string
	Body     io.Reader // of a regular file: Size bytes, or fewer if it shrinks
}

func (e *Entry) kind() uint32 { return e.Mode & unix.S_IFMT }

// Sink takes entries, directories before what is in them.
type Sink interface {
	Put(e *Entry) error
}

// nobody owns what belongs to no ID of the container (overflowuid).
const nobody = 65534

// Owners translates between a container's IDs and those of the anchor.
type Owners struct{ UIDs, GIDs idmap.Map }

// inner is the container's ID of an owner in the anchor.
func (o Owners) inner(uid, gid uint32) (u, g uint32) {
	u, uok := o.UIDs.Container(uid)
	if !uok {
		u = nobody
	}
	g, gok := o.GIDs.Container(gid)
	if !gok {
		g = nobody
	}
	return u, g
}

// Outer is the anchor's ID of an owner in the container.
func (o Owners) Outer(uid, gid uint32) (u, g uint32, err error) {
	u, uok := o.UIDs.Host(uid)
	g, gok := o.GIDs.Host(gid)
	switch {
	case !uok:
		return 0, 0, fmt.Errorf("UID %d: %w", uid, ErrUnmapped)
	case !gok:
		return 0, 0, fmt.Errorf("GID %d: %w", gid, ErrUnmapped)
	}
	return u, g, nil
}

const (
	maxDepth = 1024 // a container can nest deeper than any path is long
	maxName  = 4096 // PATH_MAX, for names that a tar stream brings
)

var errName = errors.New("name leads out of the archive")

// cleanName makes the name of an entry relative and refuses what leads out.
func cleanName(name string) (string, error) {
	switch {
	case name == "" || len(name) > maxName || strings.ContainsRune(name, 0):
		return "", fmt.Errorf("%w: bad name %.60q", ErrArchive, name)
	case strings.Count(name, "/") > maxDepth:
		return "", fmt.Errorf("%w: %w", ErrArchive, ErrDepth)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == ".." {
			return "", fmt.Errorf("%w: %.60q: %w", ErrArchive, name, errName)
		}
	}
	if clean := strings.TrimPrefix(path.Clean("/"+name), "/"); clean != "" {
		return clean, nil
	}
	return ".", nil
}
