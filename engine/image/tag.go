package image

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.podman.io/image/v5/docker/reference"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
)

// Tag gives the image ref further names, taking them from others.
func (s *Store) Tag(ctx context.Context, ref string, names []string) error {
	full := make([]string, len(names))
	for i, n := range names {
		var err error
		if full[i], err = fullName(n); err != nil {
			return err
		}
	}
	return s.exclusive(ctx, func() error {
		f, err := s.own(ref)
		if err != nil {
			return err
		}
		moved, err := s.owners(full)
		if err != nil {
			return err
		}
		if err := s.store.AddNames(f.img.ID, full); err != nil {
			return fmt.Errorf("tag image: %w", err)
		}
		if _, err := s.writePlan(f.img.ID); err != nil {
			return err
		}
		return s.refresh(moved, f.img.ID)
	})
}

// TagsOf returns the names, with their tags, that stored images have in a repository,
// sorted. A repository without registry is localhost/NAME or, if nothing is there, one
// of docker.io. Without any the error is [ErrNotFound].
func (s *Store) TagsOf(repository string) ([]string, error) {
	hub, err := reference.ParseNormalizedNamed(strings.TrimPrefix(repository, "docker://"))
	if err != nil {
		return nil, badName(repository)
	}
	if !reference.IsNameOnly(hub) {
		return nil, hint.New(fmt.Errorf("%q has a tag or digest already", repository), "give the repository: "+reference.FamiliarName(hub))
	}
	full, err := fullName(reference.FamiliarName(hub))
	if err != nil {
		return nil, err
	}
	local, err := reference.ParseNormalizedNamed(full)
	if err != nil {
		return nil, badName(repository)
	}
	images, err := s.List()
	if err != nil {
		return nil, err
	}
	for _, want := range []string{local.Name(), hub.Name()} {
		var tags []string
		for i := range images {
			for _, name := range images[i].Names {
				if tagged(name) == want {
					tags = append(tags, name)
				}
			}
		}
		if tags != nil {
			slices.Sort(tags)
			return tags, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", ErrNotFound, repository)
}

// tagged is the repository of a full name with a tag, or "" if it has a digest.
func tagged(name string) string {
	at := strings.LastIndexByte(name, ':')
	if at < strings.LastIndexByte(name, '/') || strings.Contains(name, "@") {
		return ""
	}
	return name[:at]
}

// Untag takes names from the image ref; without names all it has.
func (s *Store) Untag(ctx context.Context, ref string, names []string) (Removed, error) {
	var r Removed
	err := s.exclusive(ctx, func() error {
		f, err := s.own(ref)
		if err != nil {
			return err
		}
		drop := f.img.Names
		if len(names) > 0 {
			drop = nil
		}
		for _, n := range names {
			full, err := s.nameOf(f, n)
			if err != nil {
				return err
			}
			drop = append(drop, full)
		}
		if err := s.dropNames(f.img.ID, f.img.Names, drop); err != nil {
			return err
		}
		r = Removed{ID: f.img.ID, Untagged: drop}
		return nil
	})
	return r, err
}

// nameOf is the full name of the image that a person calls it by.
func (s *Store) nameOf(f *found, name string) (string, error) {
	m, err := plan.Match(s.dirs, name)
	if err == nil && m.ID == f.img.ID && slices.Contains(f.img.Names, m.Name) {
		return m.Name, nil
	}
	return "", hint.New(fmt.Errorf("%w: image %.12s is not called %q", ErrNoName, f.img.ID, name), "burrow image inspect --format '{{.RepoTags}}' "+f.img.ID[:12])
}

func (s *Store) dropNames(id string, have, drop []string) error {
	keep := slices.DeleteFunc(slices.Clone(have), func(n string) bool { return slices.Contains(drop, n) })
	if err := s.store.SetNames(id, keep); err != nil {
		return fmt.Errorf("untag image: %w", err)
	}
	p, err := s.writePlan(id)
	if err != nil {
		return err
	}
	return plan.Prune(s.dirs, p)
}
