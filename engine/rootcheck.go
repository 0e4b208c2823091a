package engine

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/launch"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

var errImageRoot = errors.New("root filesystem of the image")

// systemDirs are where the kernel's own file systems are mounted. A link there
// would put them elsewhere in the container, and what is masked, made or
// deleted by its name with them (CVE-2019-16884, CVE-2023-27561, CVE-2026-41579).
var systemDirs = []string{"/dev", "/proc", "/sys"}

// checkRoot refuses a root filesystem in which the names that we are about to
// use are something else. It is mounted, but nothing of it runs yet.
func (r *run) checkRoot() error {
	root, err := sys.OpenDir(r.scaffold.root())
	if err != nil {
		return err
	}
	defer root.Close()
	for _, dir := range systemDirs {
		st, err := sys.StatBeneath(root, dir)
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			return fmt.Errorf("%w: %w", errImageRoot, err)
		case st.Mode&unix.S_IFMT != unix.S_IFDIR:
			return fmt.Errorf("%w: %s is not an ordinary directory", errImageRoot, dir)
		}
	}
	if _, err := r.imageVolumes(); err != nil {
		return err
	}
	return r.checkWorkdir()
}

// checkWorkdir refuses a working directory that cannot be one. What does not
// exist is made in the container.
func (r *run) checkWorkdir() error {
	dir := r.workdir()
	if err := spec.CheckWorkdir(dir); err != nil {
		return err
	}
	err := isWorkdir(r.scaffold.root(), dir)
	if errors.Is(err, unix.ENOENT) {
		return nil // it is made, or libcontainer says why not
	}
	return err
}

// isWorkdir looks for a working directory in a root. What it does not find out here, who may
// enter it for one, is found out by whoever enters.
func isWorkdir(root, dir string) error {
	f, err := sys.OpenInRoot(root, dir, unix.O_RDONLY|unix.O_DIRECTORY)
	if err == nil {
		return f.Close()
	}
	for _, errno := range []error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP} {
		if errors.Is(err, errno) {
			return &launch.WorkdirError{Dir: dir, Err: errno}
		}
	}
	return nil
}

// maxImageVolumes bounds what an image has made at each start: a directory, a lock, a mount
// for each of them.
const maxImageVolumes = 1000

// imageVolumes are the volumes that the image declares, less those that are
// mounts of every container anyway.
func (r *run) imageVolumes() ([]string, error) {
	if r.spec.Root.ImageVolumes == spec.ImageVolumesIgnore {
		return nil, nil
	}
	var out []string
	for _, v := range r.image.cfg.Volumes {
		dest := path.Clean("/" + v)
		switch {
		case dest == "/", within(dest, "/proc"):
			return nil, hint.New(fmt.Errorf("volume %s of the image: it cannot be a mount", spec.Quote(v)), "--image-volume ignore")
		case within(dest, "/sys"), within(dest, "/dev"):
		default:
			out = append(out, dest)
		}
	}
	if len(out) > maxImageVolumes {
		return nil, hint.New(fmt.Errorf("the image declares %d volumes, more than %d", len(out), maxImageVolumes), "--image-volume ignore")
	}
	return out, nil
}

// within says whether the clean path p is dir or below it.
func within(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }
