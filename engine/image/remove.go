package image

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"

	"go.podman.io/storage"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
)

// Removed says what Remove did.
type Removed struct {
	ID       string // of the image that was meant
	Untagged []string
	Deleted  string // image ID, or "" if it has other names left
}

// RemoveOptions say what may go with an image.
type RemoveOptions struct {
	AllNames bool // by its ID it goes with all its names
	Force    bool // the same, and even if containers were made from it or it is mounted
}

// Remove takes the name ref from its image, and removes the image with its
// last name. An ID removes the image if it has one name at most.
func (s *Store) Remove(ctx context.Context, ref string, opts RemoveOptions) (Removed, error) {
	var r Removed
	err := s.exclusive(ctx, func() error {
		f, err := s.own(ref)
		if errors.Is(err, ErrReadOnly) {
			return hint.New(err, "who keeps that store removes it: podman rmi "+ref)
		}
		if err != nil {
			return err
		}
		if f.name != "" && slices.Contains(f.img.Names, f.name) && len(f.img.Names) > 1 {
			r.ID, r.Untagged = f.img.ID, []string{f.name}
			return s.dropNames(f.img.ID, f.img.Names, r.Untagged)
		}
		if f.name == "" && len(f.img.Names) > 1 && !opts.AllNames && !opts.Force {
			return hint.New(fmt.Errorf("%w: %.12s has %d: %s", ErrNames, f.img.ID, len(f.img.Names), strings.Join(f.img.Names, ", ")), "remove by name, or all of them with --force")
		}
		if err := s.unused(f.img.ID, opts.Force); err != nil {
			return err
		}
		if err := s.unmounted(f.img.ID, ref, opts.Force); err != nil {
			return err
		}
		if err := s.drop(f.img.ID); err != nil {
			return err
		}
		r = Removed{ID: f.img.ID, Untagged: f.img.Names, Deleted: f.img.ID}
		return nil
	})
	return r, err
}

// unused fails if containers were made from the image; with force, only if one
// of them is running: its files would vanish under it.
func (s *Store) unused(id string, force bool) error {
	if s.opts.Users == nil {
		return nil
	}
	users, err := s.opts.Users(id)
	if err != nil {
		return fmt.Errorf("look for containers of image %.12s: %w", id, err)
	}
	var by []string
	for _, u := range users {
		if u.Running || !force {
			by = append(by, u.Name)
		}
	}
	if len(by) == 0 {
		return nil
	}
	names := strings.Join(by, " ")
	if force {
		return hint.New(fmt.Errorf("%w: %.12s is what %s runs on", ErrInUse, id, names), "burrow rm -f "+names)
	}
	return hint.New(&UsedError{ID: id, By: by}, "burrow rm "+names)
}

// drop removes the image, its plan first: no container starts on an image that
// is going away.
func (s *Store) drop(id string) error {
	if err := plan.Remove(s.dirs, id); err != nil {
		return err
	}
	layers, err := s.store.DeleteImage(id, true)
	if err != nil {
		return fmt.Errorf("remove image %.12s: %w", id, err)
	}
	for _, l := range layers {
		s.forgetOwned(l)
		s.forgetBlobs(l)
		s.forgetContent(l)
	}
	return nil
}

func (s *Store) forgetOwned(layer string) {
	if err := os.Remove(s.ownedFile(layer)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("layer owners left behind", slog.String("layer", layer), slog.Any("error", err))
	}
}

// collect removes what an interrupted command leaves behind: images that are a record
// only, and layers that belong to no image. The caller holds the lock.
func (s *Store) collect() error {
	if others, err := s.store.Containers(); err != nil || len(others) > 0 {
		return err // another engine works in this store: what is in it is not ours to judge
	}
	images, err := s.wholeImages()
	if err != nil {
		return err
	}
	layers, err := s.layers()
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for i := range images {
		for id := images[i].TopLayer; id != "" && !used[id] && layers[id] != nil; id = layers[id].Parent {
			used[id] = true
		}
	}
	for again := true; again; { // children before parents
		again = false
		for id := range layers {
			if used[id] || hasChild(layers, id) {
				continue
			}
			if err := s.store.DeleteLayer(id); err != nil && !errors.Is(err, storage.ErrLayerUnknown) {
				return fmt.Errorf("remove unused layer %.12s: %w", id, err)
			}
			s.forgetOwned(id)
			s.forgetBlobs(id)
			s.forgetContent(id)
			delete(layers, id)
			again = true
		}
	}
	return nil
}

// wholeImages are the stored images, without those that never got a manifest, which it
// removes: the library writes the record first.
func (s *Store) wholeImages() ([]storage.Image, error) {
	images, err := s.store.Images()
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var whole []storage.Image
	for _, img := range images {
		if slices.Contains(img.BigDataNames, storage.ImageDigestBigDataKey) {
			whole = append(whole, img)
			continue
		}
		if _, err := s.store.DeleteImage(img.ID, true); err != nil && !errors.Is(err, storage.ErrImageUnknown) {
			return nil, fmt.Errorf("remove half an image %.12s: %w", img.ID, err)
		}
	}
	return whole, nil
}

func hasChild(layers map[string]*storage.Layer, id string) bool {
	for _, l := range layers {
		if l.Parent == id {
			return true
		}
	}
	return false
}
