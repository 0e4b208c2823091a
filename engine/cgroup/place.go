package cgroup

import (
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// Place is where the container's cgroup will be, if anywhere. Finding it
// changes nothing.
type Place struct {
	base        string // the directory to make it in; empty: in a scope that has yet to be entered
	slice       string // of the scope; empty: the user's own scope
	controllers []string
	why         string // there is none
	manager     Manager
}

// None says why containers get no cgroup, "" if they get one.
func (p Place) None() string { return p.why }

// Nowhere is the place of a container that is to have no cgroup.
func Nowhere(why string) Place { return Place{why: why} }

// Lacks says whether the place has no such controller.
func (p Place) Lacks(controller string) bool { return !slices.Contains(p.controllers, controller) }

// scopeName is the unit that the user's containers are in.
const scopeName = "burrow.scope"

// Find looks for the place of a container. The error is about parent, which is
// the value of --cgroup-parent and may be empty.
func Find(ctx context.Context, m Manager, parent string) (Place, error) {
	if !Unified() {
		return nowhereOr(parent, "cgroup v2 is not mounted on "+Root)
	}
	own, err := Of(os.Getpid())
	if err != nil {
		return nowhereOr(parent, err.Error())
	}
	switch {
	case path.IsAbs(parent):
		return explicit(path.Clean(parent), own)
	case strings.HasSuffix(parent, ".slice"):
		return m.place(parent)
	case parent != "":
		return Place{}, fmt.Errorf("%s: %w: neither the absolute path of a cgroup nor a slice of systemd", parent, ErrParent)
	}
	// Somebody delegated a unit to us: what it is limited to must go on to hold for us.
	unit, ok := upwards(own, isUnit)
	switch {
	case !ok || !owned(unit):
	case inScope(unit), delegated(unit) && free(unit), free(unit) && m.delegates(ctx, unit):
		return subtree(unit), nil
	}
	if p, err := m.place(""); err == nil {
		return p, nil
	}
	if dir, ok := upwards(own, func(dir string) bool { return owned(dir) && free(dir) }); ok {
		return subtree(dir), nil
	}
	if dir := path.Join(Root, own); owned(dir) {
		return Place{why: dir + " holds other processes, so that it cannot pass controllers on"}, nil
	}
	return Place{why: "no part of the tree is delegated to you"}, nil
}

func nowhereOr(parent, why string) (Place, error) {
	if parent != "" {
		return Place{}, fmt.Errorf("%s: %w: %s", parent, ErrParent, why)
	}
	return Place{why: why}, nil
}

// explicit is a path below Root that the user has named.
func explicit(parent, own string) (Place, error) {
	dir := path.Join(Root, parent)
	switch _, err := os.Stat(dir); {
	case err != nil:
		return Place{}, fmt.Errorf("%w: %w", ErrParent, err)
	case !owned(dir):
		return Place{}, fmt.Errorf("%s: %w: it does not belong to you", dir, ErrParent)
	case !free(dir) && !inScope(dir):
		return Place{}, fmt.Errorf("%s: %w: it holds processes, so that it cannot pass controllers on", dir, ErrParent)
	case !owned(path.Join(Root, common(parent, own))):
		// A process is cloned from where its parent is (cgroups(7), "Delegation containment").
		return Place{}, fmt.Errorf("%s: %w: you are in %s, and no cgroup above both belongs to you", dir, ErrParent, own)
	}
	return subtree(dir), nil
}

func subtree(dir string) Place {
	return Place{base: dir, controllers: words(dir, "cgroup.controllers")}
}

// inScope says whether dir is a scope of ours, which is delegated to us.
func inScope(dir string) bool {
	name := path.Base(dir)
	return name == scopeName || strings.HasPrefix(name, prefix) && strings.HasSuffix(name, ".scope")
}

// unit is the scope that the container id is made in.
func (p Place) unit(id string) string {
	if p.slice == "" {
		return scopeName
	}
	return prefix + id[:min(12, len(id))] + ".scope" // Docker's short form of an ID
}
