package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.podman.io/image/v5/docker/reference"
	istorage "go.podman.io/image/v5/storage"
	imgtypes "go.podman.io/image/v5/types"
	"go.podman.io/storage"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
)

// Podman and Buildah keep a user's images in a store that was written in a user
// namespace like the anchor: from in here its files have the owners that they have
// for Podman. It is read and never changed.

// pullStorage takes containers-storage:[[DRIVER@]ROOT]NAME; without a place, NAME is
// an image of Podman's.
func (s *Store) pullStorage(ctx context.Context, rest string, opts PullOptions) ([]string, error) {
	what := "containers-storage:" + rest
	ref, full, done, err := s.inOther(rest)
	if err != nil {
		return nil, fmt.Errorf("pull %s: %w", what, err)
	}
	defer done()
	var names []string
	if full != "" {
		names = []string{full}
	}
	return s.pullRef(ctx, what, ref, opts, names)
}

// inOther finds an image in somebody else's store, and its name there if it has
// one. The caller calls done.
func (s *Store) inOther(rest string) (ref imgtypes.ImageReference, full string, done func(), err error) {
	driver, root, name, err := splitStorage(rest)
	if err == nil && root == "" {
		driver, root, err = s.neighbour()
	}
	if err != nil {
		return nil, "", nil, err
	}
	other, err := s.openOther(driver, root)
	if err != nil {
		return nil, "", nil, err
	}
	img, full, err := findIn(other, name)
	if err == nil {
		ref, err = istorage.Transport.NewStoreReference(other, nil, img.ID)
	}
	if err != nil {
		other.Free()
		return nil, "", nil, fmt.Errorf("in %s: %w", root, err)
	}
	return ref, full, func() { other.Free() }, nil
}

// splitStorage takes the library's notation apart. A run root and options, which it
// knows too, are for who changes a store.
func splitStorage(rest string) (driver, root, name string, err error) {
	place, name, found := strings.Cut(strings.TrimPrefix(rest, "["), "]")
	if !strings.HasPrefix(rest, "[") {
		return "", "", rest, nil
	}
	place, _, _ = strings.Cut(place, "+")
	driver, root, both := strings.Cut(place, "@")
	if !both {
		driver, root = "", place
	}
	if !found || !filepath.IsAbs(root) || strings.Contains(root, ":") {
		return "", "", "", errors.New("the place is not of the form [DRIVER@ROOT]")
	}
	return driver, filepath.Clean(root), name, nil
}

// neighbour is where storage.conf says that Podman keeps this user's images.
func (s *Store) neighbour() (driver, root string, err error) {
	conf, err := s.theirs()
	if err != nil {
		return "", "", err
	}
	usual := filepath.Join(filepath.Dir(s.dirs.Data), "containers", "storage")
	for _, path := range []string{conf.Storage.GraphRoot, conf.Storage.RootlessStoragePath, usual} {
		path = s.expand(path)
		var st unix.Stat_t
		if unix.Stat(path, &st) == nil && int(st.Uid) == os.Geteuid() { // the system's is root's
			return conf.Storage.Driver, path, nil
		}
	}
	return "", "", hint.New(fmt.Errorf("%w: Podman has no store in %s", ErrNotFound, usual), "one elsewhere is 'containers-storage:[overlay@DIR]NAME'")
}

// openOther opens somebody else's store.
func (s *Store) openOther(driver, root string) (storage.Store, error) {
	if driver == "" {
		driver = "vfs"
		if _, err := os.Stat(filepath.Join(root, "overlay-images")); err == nil {
			driver = "overlay"
		}
	}
	if _, err := os.Stat(filepath.Join(root, driver+"-images")); err != nil {
		return nil, fmt.Errorf("%w: there is no %s store in %s", ErrNotFound, driver, root)
	}
	if root == s.root {
		return nil, errors.New("this is the store itself")
	}
	other, err := s.openToRead(driver, root, -1)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", root, err)
	}
	return other, nil
}

// findIn looks an image up as Podman does: by ID, by name, by the last parts of one.
func findIn(other storage.Store, name string) (*storage.Image, string, error) {
	images, err := other.Images()
	if err != nil {
		return nil, "", err
	}
	tagged := name
	if named, err := reference.ParseNormalizedNamed(name); err == nil && reference.IsNameOnly(named) {
		tagged += ":latest"
	}
	var found *storage.Image
	var full string
	for i := range images {
		for _, n := range images[i].Names {
			if n == tagged {
				return &images[i], n, nil
			}
			if strings.HasSuffix(n, "/"+tagged) {
				if found != nil && found.ID != images[i].ID {
					return nil, "", fmt.Errorf("%w: %q", plan.ErrAmbiguous, name)
				}
				found, full = &images[i], n
			}
		}
	}
	if found != nil {
		return found, full, nil
	}
	id := strings.TrimPrefix(name, "sha256:")
	at := slices.IndexFunc(images, func(i storage.Image) bool { return len(id) >= 12 && strings.HasPrefix(i.ID, id) })
	if at < 0 {
		return nil, "", fmt.Errorf("%w: %q", ErrNotFound, name)
	}
	if len(images[at].Names) > 0 {
		full = images[at].Names[0]
	}
	return &images[at], full, nil
}
