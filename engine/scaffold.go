package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/burrow-run/burrow/internal/sys"
)

// scaffold is a tmpfs in this run's own mount namespace. Everything that lives
// exactly as long as the run is in it: the place where the root filesystem is
// mounted, generated files, the name of the network namespace, libcontainer's
// state. It needs no cleaning up: it dies with its last process.
type scaffold struct {
	dir   string
	label string // SELinux label of all that is mounted for the container; "" without SELinux
}

// scaffoldDirs are where it may be mounted: directories that every host has
// (Filesystem Hierarchy Standard 3.0), that root of any container can reach by
// name, and that hardly anybody mounts into a container.
var scaffoldDirs = []string{"/boot", "/media", "/srv", "/mnt", "/opt"}

var errNoScaffold = errors.New("no directory to build the container in: all of " +
	strings.Join(scaffoldDirs, ", ") + " are missing or used as mounts")

// newScaffold mounts the tmpfs over a directory that none of the sources lies in.
// label is what its files, and the mounts made in it, show to SELinux.
func newScaffold(sources []string, label string) (scaffold, error) {
	for _, dir := range scaffoldDirs {
		if hides(dir, sources) {
			continue
		}
		if info, err := os.Lstat(dir); err != nil || !info.IsDir() {
			continue
		}
		s := scaffold{dir: dir, label: label}
		err := sys.Mount("burrow", dir, "tmpfs", sys.MountNoSUID|sys.MountNoDev|sys.MountNoExec, "mode=0711,size=16m"+s.context())
		if err != nil {
			return scaffold{}, fmt.Errorf("mount scaffold: %w", err)
		}
		for _, sub := range []string{"root", "files", "state", "l"} {
			if err := os.Mkdir(s.path(sub), 0o711); err != nil {
				return scaffold{}, err
			}
		}
		// What is in here is none of the container's business.
		return s, os.Mkdir(s.path("net"), 0o700)
	}
	return scaffold{}, errNoScaffold
}

// hides says whether a mount on dir would hide one of the paths.
func hides(dir string, paths []string) bool {
	for _, p := range paths {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			return true
		}
	}
	return false
}

// context is the mount option that gives a file system the container's label.
func (s scaffold) context() string {
	if s.label == "" {
		return ""
	}
	return `,context="` + s.label + `"`
}

func (s scaffold) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// root is where the container's root filesystem is mounted.
func (s scaffold) root() string { return s.path("root") }

// file writes a generated file that the container gets by bind mount.
func (s scaffold) file(name string, content []byte, uid, gid int) (string, error) {
	path := s.path("files", name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return "", err
	}
	return path, os.Chown(path, uid, gid)
}
