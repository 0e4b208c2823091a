package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/burrow-run/burrow/internal/sys"
)

// prefix of the directories of containers; the rest is the container's ID.
const prefix = "burrow-"

// Options of Make.
type Options struct {
	Limits Limits
	// Asked are the limits that must hold; the others are set where they can be.
	Asked []Limit
	// Nested puts the container one level below its limits, for one that may
	// write to the cgroups it sees: those it could lift.
	Nested bool
	// Outlives: the container outlives its terminal, and even its command if
	// that is killed.
	Outlives bool
	// Guard leaves a process beside the container that ends it if the command is
	// killed: for one that the kernel would not end (userns/nsjoin/guard.c).
	Guard bool
}

// Group is a container's cgroup. While it is open, nobody reclaims it.
type Group struct {
	dir  *os.File // has the limits; locked
	leaf *os.File // where processes go: dir or, for a nested one, below
}

// Make makes the cgroup of the container id. It may move this process, and with
// it all threads, to a cgroup beside it, which can take tens of milliseconds.
func (p Place) Make(ctx context.Context, id string, o Options) (_ *Group, err error) {
	if dir, ok := p.manager.within(o.Outlives); ok && p.base == "" && p.slice == "" {
		p.base = dir
	}
	if p.base == "" {
		if p.base, err = p.manager.enter(ctx, p.unit(id), p.slice, os.Getpid(), supervisor); err != nil {
			return nil, err
		}
	}
	if err := settle(p.base); err != nil {
		return nil, err
	}
	g := &Group{}
	if g.dir, err = create(ctx, path.Join(p.base, prefix+id)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			g.Remove(ctx)
		}
	}()
	if !o.Outlives {
		mark(g.dir, mortal)
	}
	p.controllers = words(g.dir.Name(), "cgroup.controllers")
	for _, l := range o.Asked {
		if p.Lacks(l.Controller) {
			return nil, l.Missing()
		}
	}
	if p.Lacks("pids") {
		o.Limits.Pids = 0 // the default: one that was asked for has been refused
	}
	if err := o.Limits.set(g.dir.Name()); err != nil {
		return nil, err
	}
	if err := g.openLeaf(o.Nested); err != nil {
		return nil, err
	}
	if o.Guard && !o.Outlives {
		mark(g.leaf, guarded)
	}
	return g, nil
}

// create makes a cgroup and locks it. Between the two, another command may take
// it for one whose owner has died.
func create(ctx context.Context, dir string) (*os.File, error) {
	for {
		err := os.Mkdir(dir, 0o755)
		if errors.Is(err, os.ErrExist) && reclaim(ctx, dir, false) == nil {
			continue // it was left by a command that was killed; the container starts again
		}
		if err != nil {
			return nil, fmt.Errorf("make cgroup: %w", err)
		}
		f, err := sys.OpenDir(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err = sys.LockFile(f); err == nil && exists(f) {
			return f, nil
		}
		f.Close()
		if err != nil {
			return nil, err
		}
	}
}

// exists says whether an open directory is still the one with its name.
func exists(f *os.File) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(f.Name())
	return err == nil && os.SameFile(open, named)
}

func (g *Group) openLeaf(nested bool) (err error) {
	if !nested {
		g.leaf = g.dir
		return nil
	}
	if err := enable(g.dir.Name()); err != nil {
		return fmt.Errorf("enable cgroup controllers: %w", err)
	}
	leaf := path.Join(g.dir.Name(), "container")
	if err := mkdir(leaf); err != nil {
		return err
	}
	g.leaf, err = sys.OpenDir(leaf)
	return err
}

// Dirs are the open directories of the group, the second nil where it is the first: for
// Resume in the program that this process executes next.
func (g *Group) Dirs() (dir, leaf *os.File) {
	if g.leaf == g.dir {
		return g.dir, nil
	}
	return g.dir, g.leaf
}

// Resume is the group with these Dirs, which it takes over.
func Resume(dir, leaf *os.File) *Group {
	if leaf == nil {
		leaf = dir
	}
	return &Group{dir: dir, leaf: leaf}
}

// File is the directory for CLONE_INTO_CGROUP (clone(2)).
func (g *Group) File() *os.File { return g.leaf }

// Path is the cgroup as /proc/PID/cgroup shows it for a process of the container.
func (g *Group) Path() string { return strings.TrimPrefix(g.leaf.Name(), Root) }

// Check verifies that a process is where its limits hold.
func (g *Group) Check(pid int) error {
	at, err := Of(pid)
	if err != nil {
		return err
	}
	if at != g.Path() {
		return fmt.Errorf("bug: the container is in cgroup %s, not in %s", at, g.Path())
	}
	return nil
}

// Give makes the container's root the owner of what it sees of the cgroup, so
// that it can make cgroups of its own. The limits are above that.
func (g *Group) Give(uid, gid int) error {
	// The kernel says which files may be given: /sys/kernel/cgroup/delegate.
	for _, name := range append(words("/sys/kernel/cgroup", "delegate"), "") {
		err := os.Chown(path.Join(g.leaf.Name(), name), uid, gid)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("give cgroup to the container: %w", err)
		}
	}
	return nil
}

// OOMKilled says whether the kernel killed a process of the container for want of memory.
func (g *Group) OOMKilled() bool {
	events := words(g.dir.Name(), "memory.events")
	for i := 0; i+1 < len(events); i += 2 {
		if events[i] == "oom_kill" {
			return events[i+1] != "0"
		}
	}
	return false
}

// Remove kills what is left in the cgroup and removes it. What cannot be
// removed now, Reclaim removes.
func (g *Group) Remove(ctx context.Context) {
	_ = remove(ctx, g.dir.Name())
	g.dir.Close()
	if g.leaf != nil {
		g.leaf.Close()
	}
}
