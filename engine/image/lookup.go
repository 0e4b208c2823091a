package image

import (
	"errors"
	"fmt"

	"go.podman.io/storage"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
)

// found is what a person's reference stands for.
type found struct {
	img *storage.Image
	// name is the stored name that was meant, "" if an ID was given.
	name string
	in   *Store // where it is
}

// lookup finds an image as `burrow run` does: in the own store, else in an
// additional one.
func (s *Store) lookup(ref string) (*found, error) {
	m, err := plan.Match(s.dirs, ref)
	if errors.Is(err, plan.ErrNotFound) {
		return s.findAdditional(ref)
	}
	if err != nil {
		return nil, err
	}
	img, err := s.store.Image(m.ID)
	if errors.Is(err, storage.ErrImageUnknown) {
		if p, err := plan.Read(s.dirs, m.ID); err == nil && p.Additional != nil {
			return s.findAdditional(ref)
		}
		return nil, hint.New(fmt.Errorf("%w: %q: its plan is there, but the image is not", ErrNotFound, ref), plan.RepairCommand)
	}
	if err != nil {
		return nil, fmt.Errorf("look up image %q: %w", ref, err)
	}
	if plan.IsAlias(m.Name, img.Names) {
		return s.findAdditional(ref)
	}
	return &found{img: img, name: m.Name, in: s}, nil
}

// Exists says whether ref stands for a stored image.
func (s *Store) Exists(ref string) (bool, error) {
	_, err := s.lookup(ref)
	if errors.Is(err, ErrNotFound) || errors.Is(err, plan.ErrName) {
		return false, nil
	}
	return err == nil, err
}
