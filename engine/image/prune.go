package image

import (
	"context"
	"errors"
	"fmt"

	"github.com/burrow-run/burrow/engine/plan"
)

// Prune removes the images that keep refuses, and what interrupted commands
// left behind. An image that a container uses or that is mounted stays. It returns the IDs removed.
func (s *Store) Prune(ctx context.Context, remove func(*Summary) bool) ([]string, error) {
	var gone []string
	err := s.exclusive(ctx, func() error {
		list, err := s.listOwn()
		if err != nil {
			return err
		}
		for i := range list {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !remove(&list[i]) {
				continue
			}
			err := s.unused(list[i].ID, false)
			if err == nil {
				err = s.unmounted(list[i].ID, list[i].ID, false)
			}
			if errors.Is(err, ErrInUse) {
				continue
			}
			if err != nil {
				return err
			}
			if err := s.drop(list[i].ID); err != nil {
				return err
			}
			gone = append(gone, list[i].ID)
		}
		return errors.Join(s.collect(), s.sweep(), s.dropStalePlans())
	})
	return gone, err
}

// dropStalePlans removes the plans of images that additional stores may no longer
// have. If they do, they are made again when they are asked for.
func (s *Store) dropStalePlans() error {
	ids, err := plan.IDs(s.dirs)
	if err != nil {
		return err
	}
	for _, id := range ids {
		p, err := plan.Read(s.dirs, id)
		if err != nil || p.Fresh() == nil || s.neededInPlace(id) {
			continue
		}
		if err := plan.Remove(s.dirs, id); err != nil {
			return err
		}
	}
	return nil
}

// Repair makes all plans and names anew from the stored images, removes what
// belongs to none, and returns how many images there are.
func (s *Store) Repair(ctx context.Context) (int, error) {
	n := 0
	err := s.exclusive(ctx, func() error {
		if err := s.collect(); err != nil {
			return err
		}
		images, err := s.store.Images()
		if err != nil {
			return fmt.Errorf("list images: %w", err)
		}
		known := map[string]bool{}
		var errs []error
		for i := range images {
			known[images[i].ID] = true
			s.forgetOwners(images[i].TopLayer)
			p, err := s.writePlan(images[i].ID)
			if err == nil {
				err = plan.Prune(s.dirs, p)
			}
			if err != nil {
				errs = append(errs, err)
				continue
			}
			n++
		}
		return errors.Join(append(errs, s.dropStrayPlans(known))...)
	})
	return n, err
}

// forgetOwners makes the next look at the layers walk them again.
func (s *Store) forgetOwners(top string) {
	ids, err := s.chain(top)
	if err != nil {
		return // writePlan will say so
	}
	for _, id := range ids {
		s.forgetOwned(id)
	}
}

func (s *Store) dropStrayPlans(known map[string]bool) error {
	ids, err := plan.IDs(s.dirs)
	if err != nil {
		return err
	}
	refs, err := plan.References(s.dirs)
	if err != nil {
		return err
	}
	for _, id := range refs {
		ids = append(ids, id)
	}
	for _, id := range ids {
		if known[id] || s.neededInPlace(id) {
			continue
		}
		if err := plan.Remove(s.dirs, id); err != nil {
			return err
		}
	}
	return nil
}

// neededInPlace says that containers were made of an image in an additional store.
func (s *Store) neededInPlace(id string) bool {
	if s.opts.Users == nil || !plan.IsAdditional(s.dirs, id) {
		return false
	}
	users, err := s.opts.Users(id)
	return err != nil || len(users) > 0
}
