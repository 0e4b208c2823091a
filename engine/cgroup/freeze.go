package cgroup

import (
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"time"
)

// top is the directory of the container id that has its limits, given the Path
// of its Group: the same or the one above.
func top(at, id string) (string, bool) {
	for p := path.Clean("/" + at); p != "/"; p = path.Dir(p) {
		if path.Base(p) == prefix+id {
			return path.Join(Root, p), true
		}
	}
	return "", false
}

// At is the directory of the container id, given the Path of its Group. It must exist.
func At(at, id string) (string, error) {
	dir, ok := top(at, id)
	if !ok {
		return "", fmt.Errorf("bug: %s is no cgroup of container %.12s", at, id)
	}
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("cgroup of the container: %w", err)
	}
	return dir, nil
}

// freezePatience is how long the kernel gets: a process that waits for a disk
// stops when that answers.
const freezePatience = 10 * time.Second

// Freeze stops all processes of a container's cgroup, or lets them go on, and
// returns when they have stopped (cgroup-v2.rst, cgroup.freeze, Linux 5.2).
func Freeze(ctx context.Context, at, id string, on bool) error {
	dir, err := At(at, id)
	if err != nil {
		return err
	}
	text := "0"
	if on {
		text = "1"
	}
	if err := write(dir, "cgroup.freeze", text); err != nil {
		return fmt.Errorf("freeze cgroup: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, freezePatience)
	defer cancel()
	for frozen(dir) != on {
		select {
		case <-ctx.Done():
			if on {
				_ = write(dir, "cgroup.freeze", "0") // all or nothing
			}
			return fmt.Errorf("freeze cgroup: a process does not stop: %w", ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// Frozen says whether the container is.
func Frozen(at, id string) bool {
	dir, ok := top(at, id)
	return ok && frozen(dir)
}

func frozen(dir string) bool {
	events := words(dir, "cgroup.events")
	i := slices.Index(events, "frozen")
	return i >= 0 && i+1 < len(events) && events[i+1] == "1"
}
