package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// ErrRequired means that other containers were made with --requires=this one.
var ErrRequired = errors.New("container is required by others")

// requiredBy is a directory of a container's with a file for each that requires
// it. A file whose container is gone means nothing.
const requiredBy = "required-by"

// findRequired makes IDs of what --requires names.
func (r *run) findRequired(context.Context) error {
	ids := make([]string, 0, len(r.spec.Requires))
	for _, ref := range r.spec.Requires {
		rec, err := Lookup(r.opts.Dirs, ref)
		if err != nil {
			return fmt.Errorf("--requires: %w", err)
		}
		if rec.Remove {
			return fmt.Errorf("--requires: container %s was made with --rm: it would be gone before this one", rec.Name)
		}
		ids = append(ids, rec.ID)
	}
	if len(ids) > 0 {
		slices.Sort(ids)
		r.spec.Requires = slices.Compact(ids)
	}
	return nil
}

// markRequired tells the required containers that they are.
func (r *run) markRequired() error {
	for _, id := range r.spec.Requires {
		dir := filepath.Join(r.opts.Dirs.Containers(), id)
		err := os.Mkdir(filepath.Join(dir, requiredBy), 0o700)
		if err == nil || errors.Is(err, os.ErrExist) {
			err = os.WriteFile(filepath.Join(dir, requiredBy, r.id), nil, 0o600)
		}
		if err != nil {
			return fmt.Errorf("--requires %.12s: %w", id, err)
		}
	}
	return nil
}

// Dependents are the IDs of the containers that require this one.
func (r Record) Dependents(d paths.Dirs) []string {
	entries, err := names(filepath.Join(d.Containers(), r.ID, requiredBy))
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(entries, func(id string) bool {
		_, err := os.Lstat(filepath.Join(d.Containers(), id))
		return !isContainerID(id) || err != nil
	})
}

// notRequired refuses to remove what others require.
func (r Record) notRequired(d paths.Dirs) error {
	by := r.Dependents(d)
	if len(by) == 0 {
		return nil
	}
	who := make([]string, 0, len(by))
	for _, id := range by {
		name := id[:12]
		if other, err := loadSummary(filepath.Join(d.Containers(), id)); err == nil {
			name = other.Name
		}
		who = append(who, name)
	}
	return hint.New(fmt.Errorf("container %s: %w: %s", r.Name, ErrRequired, strings.Join(who, ", ")), "burrow rm --depend "+r.Name)
}

// replace removes the container that has the name, if --replace says so. By now
// nothing but the name itself is in the way of the new one.
func (r *run) replace(ctx context.Context) error {
	if !r.spec.Replace {
		return nil
	}
	d := r.opts.Dirs
	id, err := ownerOf(d, r.spec.Name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("--replace: %w", err)
	}
	if old, err := Lookup(d, id); err == nil {
		if err := old.notRequired(d); err != nil {
			return fmt.Errorf("--replace: %w", err)
		}
		if _, err := Stop(ctx, d, id, old.Spec.Stop.Timeout); err != nil && !errors.Is(err, ErrNoContainer) {
			return fmt.Errorf("--replace: %w", err)
		}
	}
	if _, err := Remove(ctx, d, id, true); err != nil && !errors.Is(err, ErrNoContainer) {
		return fmt.Errorf("--replace: %w", err)
	}
	return nil
}
