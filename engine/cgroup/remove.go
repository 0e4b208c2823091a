package cgroup

import (
	"context"
	"errors"
	"os"
	"path"
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

// reclaim removes a container's cgroup whose owner has died. The lock tells:
// it ends with the process that held it.
func reclaim(ctx context.Context, dir string) error {
	f, err := sys.OpenDir(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := sys.TryLockFile(f); err != nil {
		return err
	}
	if !exists(f) {
		return nil // its owner has removed it, and perhaps there is another
	}
	return remove(ctx, dir)
}

// Reclaim removes the cgroups beside g that belong to nobody any more, with the
// processes in them, if any: a container dies with its command.
func (g *Group) Reclaim(ctx context.Context) {
	base := path.Dir(g.dir.Name())
	entries, err := os.ReadDir(base)
	if err != nil {
		return
	}
	for _, e := range entries {
		if isContainer(e.Name()) {
			_ = reclaim(ctx, path.Join(base, e.Name()))
		}
	}
}

// isContainer says whether a name is one that Make gives. Somebody may call a
// unit of his burrow-something.
func isContainer(name string) bool {
	id, ok := strings.CutPrefix(name, prefix)
	return ok && len(id) >= 12 && strings.Trim(id, "0123456789abcdef") == ""
}

// ReclaimAt removes the cgroup of the container id, given its Path, unless its
// command lives. It touches no other.
func ReclaimAt(ctx context.Context, at, id string) {
	for p := path.Clean("/" + at); p != "/"; p = path.Dir(p) {
		if path.Base(p) == prefix+id {
			_ = reclaim(ctx, path.Join(Root, p))
			return
		}
	}
}
