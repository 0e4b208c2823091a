package cgroup

import (
	"context"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/burrow-run/burrow/internal/sys"
)

// Join opens the cgroup of a running container for a further process, which is
// to be born there: one outside would be outside the limits. at is the Path that
// the container's Group had, pid its first process, which may have moved on to a
// cgroup below, if it may make some. As Make does, it moves this process if the
// kernel would not let it clone there otherwise.
//
// The caller must call Leave.
func Join(ctx context.Context, m Manager, at string, pid int) (*Group, error) {
	base, ok := outer(at)
	if !ok {
		return nil, fmt.Errorf("join cgroup: %s is not one of a container's", at)
	}
	now, err := Of(pid)
	if err != nil {
		return nil, err
	}
	if now != at && !strings.HasPrefix(now, at+"/") {
		return nil, fmt.Errorf("join cgroup: the container has left %s for %s", at, now)
	}
	own, err := Of(os.Getpid())
	if err != nil {
		return nil, err
	}
	if !owned(path.Join(Root, common(own, at))) {
		unit := path.Dir(base)
		if !isUnit(unit) || m.UID == 0 {
			return nil, fmt.Errorf("join cgroup: you are in %s, and no cgroup above it and %s belongs to you", own, at)
		}
		if err := mkdir(path.Join(unit, supervisor)); err != nil {
			return nil, err
		}
		if err := m.attach(ctx, path.Base(unit), os.Getpid(), supervisor); err != nil {
			return nil, fmt.Errorf("join cgroup: %w", err)
		}
	}
	leaf, err := sys.OpenDir(path.Join(Root, now))
	if err != nil {
		return nil, err
	}
	return &Group{leaf: leaf}, nil
}

// Leave closes what Join has opened.
func (g *Group) Leave() { g.leaf.Close() }
