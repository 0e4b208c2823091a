package image

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/storage"

	"github.com/burrow-run/burrow/engine/plan"
)

// Summary is one stored image, as lists show it.
type Summary struct {
	ID      string
	Names   []string
	Digest  digest.Digest
	Digests []string // repository@digest
	Created time.Time
	Size    int64
	Labels  map[string]string
	History []string // names it had
	Index   bool     // it is a list of images
	// ReadOnly: it is in an additional store.
	ReadOnly bool

	top string
}

// List returns all images, those of additional stores too, the newest first. Size is
// that of the unpacked layers and of what describes them.
func (s *Store) List() ([]Summary, error) {
	list, err := s.listOwn()
	if err != nil {
		return nil, err
	}
	more, err := s.listAdditional(list)
	return sorted(append(list, more...)), err
}

func (s *Store) listOwn() ([]Summary, error) {
	images, err := s.store.Images()
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	layers, err := s.layers()
	if err != nil {
		return nil, err
	}
	out := make([]Summary, 0, len(images))
	for i := range images {
		sum := s.summary(&images[i], layers)
		if p, err := plan.Read(s.dirs, sum.ID); err == nil {
			sum.Labels = p.Config.Labels
		}
		out = append(out, sum)
	}
	return sorted(out), nil
}

func sorted(list []Summary) []Summary {
	slices.SortStableFunc(list, func(a, b Summary) int {
		return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID))
	})
	return list
}

func (s *Store) layers() (map[string]*storage.Layer, error) {
	list, err := s.store.Layers()
	if err != nil {
		return nil, fmt.Errorf("list layers: %w", err)
	}
	byID := make(map[string]*storage.Layer, len(list))
	for i := range list {
		byID[list[i].ID] = &list[i]
	}
	return byID, nil
}

func (s *Store) summary(img *storage.Image, layers map[string]*storage.Layer) Summary {
	sum := Summary{
		ID: img.ID, Names: img.Names, Digest: manifestDigest(img), Digests: repoDigests(img),
		Created: img.Created.UTC(), History: img.NamesHistory, Index: isIndex(img), top: img.TopLayer,
	}
	for _, n := range img.BigDataSizes {
		sum.Size += n
	}
	for id, n := img.TopLayer, 0; id != "" && layers[id] != nil && n < 10_000; n++ {
		sum.Size += layers[id].UncompressedSize
		id = layers[id].Parent
	}
	return sum
}
