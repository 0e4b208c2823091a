package cgroup

import (
	"context"
	"errors"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// remove deletes a cgroup with those below it. It begins with the deletion,
// which is refused as long as there is a process, and kills only then.
func remove(ctx context.Context, dir string) error {
	const tries = 40 // most of a second: who is killed needs time to give back memory
	var err error
	for i := range tries {
		if err = unix.Rmdir(dir); err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		if i == 0 {
			_ = write(dir, "cgroup.kill", "1")
		}
		children, _ := os.ReadDir(dir)
		for _, c := range children {
			if c.IsDir() {
				_ = remove(ctx, path.Join(dir, c.Name()))
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(i) * time.Millisecond):
		}
	}
	return &os.PathError{Op: "rmdir", Path: dir, Err: err}
}

// reclaim removes a container's cgroup whose owner has died. The lock tells: it
// ends with the process that held it. What lives in the cgroup is killed if asked
// for; else that is an error.
func reclaim(ctx context.Context, dir string, kill bool) error {
	f, err := sys.OpenDir(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := sys.TryLockFile(f); err != nil {
		return err
	}
	switch {
	case !exists(f):
		return nil // its owner has removed it, and perhaps there is another
	case !kill && populated(dir):
		return &os.PathError{Op: "rmdir", Path: dir, Err: unix.EBUSY}
	}
	return remove(ctx, dir)
}

// populated says whether there is a process in a cgroup or below.
func populated(dir string) bool {
	events := words(dir, "cgroup.events")
	i := slices.Index(events, "populated")
	return i >= 0 && i+1 < len(events) && events[i+1] != "0"
}

// Attributes of cgroups.
const (
	mortal  = "user.burrow.mortal" // what is in it must not outlive the command; Reclaim
	guarded = "user.burrow.guard"  // there is to be a guard; userns/nsjoin/guard.c
)

// mark sets an attribute. Where the kernel keeps none (before Linux 5.7), others
// spare what they find, and the container has no guard.
func mark(dir *os.File, attribute string) {
	_ = unix.Fsetxattr(int(dir.Fd()), attribute, []byte("1"), 0)
}

func isMortal(dir string) bool {
	_, err := unix.Getxattr(dir, mortal, nil)
	return err == nil
}

// Reclaim removes the cgroups beside g that belong to nobody any more. A
// container in the foreground dies with its command; one with a supervisor lives on.
func (g *Group) Reclaim(ctx context.Context) {
	base := path.Dir(g.dir.Name())
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		if dir := path.Join(base, e.Name()); isContainer(e.Name()) {
			_ = reclaim(ctx, dir, isMortal(dir))
		}
	}
}

// isContainer says whether a name is one that Make gives. Somebody may call a
// unit of his burrow-something.
func isContainer(name string) bool {
	id, ok := strings.CutPrefix(name, prefix)
	return ok && len(id) >= 12 && strings.Trim(id, "0123456789abcdef") == ""
}

// ReclaimAt removes the cgroup of the container id, given its Path, and kills
// what is in it, unless its command lives. It touches no other.
func ReclaimAt(ctx context.Context, at, id string) {
	if dir, ok := outer(at); ok && path.Base(dir) == prefix+id {
		_ = reclaim(ctx, dir, true)
	}
}

// outer is the directory with the limits of the container whose Path is at.
func outer(at string) (string, bool) {
	return upwards(at, func(dir string) bool { return isContainer(path.Base(dir)) })
}
