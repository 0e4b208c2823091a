package spec

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// MountType is what a mount shows.
type MountType string

// The mount types.
const (
	MountBind   MountType = "bind"   // Source is a path of the caller
	MountVolume MountType = "volume" // Source is a name, "" an anonymous volume
	MountTmpfs  MountType = "tmpfs"
	MountDevpts MountType = "devpts"
	MountMqueue MountType = "mqueue"

	MountArtifact MountType = "artifact" // Source is its name: its files, read-only
)

// Propagation is how mount events cross a bind mount. Only the constants are
// legal: anything else would be a way to smuggle mount options (CVE-2024-9407).
type Propagation string

// The propagation types; an R stands for recursive.
const (
	Private     Propagation = "private"
	RPrivate    Propagation = "rprivate" // the default
	Shared      Propagation = "shared"
	RShared     Propagation = "rshared"
	Slave       Propagation = "slave"
	RSlave      Propagation = "rslave"
	Unbindable  Propagation = "unbindable"
	RUnbindable Propagation = "runbindable"
)

// Relabel is what SELinux label the files of a mount are given.
type Relabel string

// The relabel requests, as spelt in -v.
const (
	RelabelNone    Relabel = ""
	RelabelShared  Relabel = "z"
	RelabelPrivate Relabel = "Z"
)

// Mount is one file system that the container sees beside its root. Parsing
// fills in every default, and the zero flags are the strict ones.
type Mount struct {
	Type     MountType
	Source   string
	Dest     string // absolute and clean
	ReadOnly bool
	Exec     bool // without: noexec
	SUID     bool // without: nosuid
	Dev      bool // without: nodev

	// Of bind mounts and volumes.
	Propagation  Propagation
	NonRecursive bool // leave out what is mounted below Source
	Relabel      Relabel
	Chown        bool // re-own to the container's user, in place; also tmpfs
	Overlay      bool // writes go to a throw-away layer

	// Of volumes.
	Subpath       string            // directory in the volume that is mounted; "": all of it
	VolumeLabels  map[string]string // of one that is made
	VolumeOptions map[string]string // of one that is made: driver options

	// Of artifacts.
	Artifact *ArtifactMount

	// NoCopyUp leaves a tmpfs or a new volume empty where the image has files.
	NoCopyUp bool

	// Of tmpfs and devpts.
	Size     string  // bytes or "N%"; "": the kernel's default
	Inodes   string  // limit of a tmpfs; "": the kernel's default
	Mode     *uint32 // permissions
	UID, GID *uint32 // owner, as the container numbers it
	Max      *uint32 // terminals of a devpts
}

// ArtifactMount says which files of an artifact are mounted.
type ArtifactMount struct {
	Title  string // the one that is called so; "": no matter what
	Digest string // the one with this digest; "": no matter which
	// Name is what the file is called in the destination; of several, with -0, -1 …
	// "": what its maker calls it, or its digest.
	Name string
}

// AnonymousVolume is a volume of the container's own at dest, an absolute path.
func AnonymousVolume(dest string) Mount {
	m := newMount(MountVolume)
	m.Dest = dest
	return m
}

// newMount returns a mount of type t with what holds unless an option differs.
func newMount(t MountType) Mount {
	m := Mount{Type: t}
	if t == MountBind || t == MountVolume {
		m.Exec = true
		m.Propagation = RPrivate
	}
	if t == MountArtifact {
		m.ReadOnly, m.Exec, m.Artifact = true, true, &ArtifactMount{}
	}
	return m
}

// checkDest returns the clean form of a mount's destination. Nothing may cover
// the root, or procfs: a security label or sysctl is written through /proc, and
// a file put in the way redirects that write (CVE-2025-52881).
func checkDest(dest string) (string, error) {
	switch {
	case dest == "":
		return "", errors.New("has no destination")
	case !filepath.IsAbs(dest):
		return "", fmt.Errorf("destination %s is not an absolute path", Quote(dest))
	}
	if err := checkText(dest); err != nil {
		return "", fmt.Errorf("destination %w", err)
	}
	clean := filepath.Clean(dest)
	if clean == "/" {
		return "", errors.New("destination cannot be /")
	}
	if within(clean, "/proc") {
		return "", errors.New("destination cannot be in /proc")
	}
	return clean, nil
}

// within says whether the clean path is dir or below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, dir+"/")
}

// absPath resolves a path of the caller against cwd.
func absPath(path, cwd string) (string, error) {
	if path == "" {
		return "", errors.New("path is empty")
	}
	if err := checkText(path); err != nil {
		return "", fmt.Errorf("path %w", err)
	}
	if !filepath.IsAbs(path) {
		if cwd == "" {
			return "", hint.New(errors.New("path is relative, and the working directory cannot be seen from here"),
				"give an absolute path; burrow system migrate if the directory was mounted lately")
		}
		path = filepath.Join(cwd, path)
	}
	return filepath.Clean(path), nil
}

// AbsPath resolves the path of a file of the caller against cwd and refuses
// what is no path.
func AbsPath(path, cwd string) (string, error) {
	abs, err := absPath(path, cwd)
	if err != nil {
		return "", badErr(path, err)
	}
	return abs, nil
}
