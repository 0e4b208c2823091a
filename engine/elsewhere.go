package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// ErrElsewhere means that a container runs in another anchor of the user's.
var ErrElsewhere = errors.New("it was started in a session with another runtime directory")

// reachable says whether this process may look into a running container. It may not, with
// all its rights, where the container's user namespace is no child of its own: sessions
// whose XDG_RUNTIME_DIR differ have an anchor each. What needs its record, its pidfd or its
// sockets only (ps, stop, logs, attach, restart) does not ask.
func (r Record) reachable() error {
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", r.PID))
	if !errors.Is(err, os.ErrPermission) {
		return nil // another error is found by who needs more than this
	}
	advice := "burrow restart " + r.Name + " brings it here"
	if filepath.Base(r.RunDir) != "burrow" {
		return hint.New(fmt.Errorf("%s: %w", r.Name, ErrElsewhere), advice)
	}
	dir := filepath.Dir(r.RunDir)
	return hint.New(fmt.Errorf("%s: %w, %s", r.Name, ErrElsewhere, dir), "XDG_RUNTIME_DIR="+dir+" burrow …; or "+advice)
}

// where is d with the runtime directory that the container's sockets are in.
func (r Record) where(d paths.Dirs) paths.Dirs {
	if r.RunDir != "" {
		d.Run = r.RunDir
	}
	return d
}
