package image

import (
	"cmp"
	"fmt"
	"slices"

	"go.podman.io/storage"
)

// Branch is a layer and the layers on top of it.
type Branch struct {
	ID    string
	Size  int64    // bytes, unpacked
	Names []string // of the images whose topmost layer it is
	Above []*Branch
}

// Tree is the layers of one image.
type Tree struct {
	ID    string
	Names []string
	Size  int64
	// Layers are those of the image, the lowest first; or, if it was asked what
	// needs the image, the topmost one with all that stands on it.
	Layers []*Branch
}

// Tree shows of what layers the image ref consists, or which layers of other
// images stand on it.
func (s *Store) Tree(ref string, whatRequires bool) (*Tree, error) {
	f, err := s.lookupImage(ref)
	if err != nil {
		return nil, err
	}
	s = f.in // layers stand on those of the same store only
	layers, err := s.layers()
	if err != nil {
		return nil, err
	}
	images, err := s.store.Images()
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	names := map[string][]string{}
	for i := range images {
		top := images[i].TopLayer
		names[top] = append(names[top], images[i].Names...)
	}
	t := &Tree{ID: f.img.ID, Names: f.img.Names, Size: s.summary(f.img, layers).Size}
	if whatRequires {
		if top := layers[f.img.TopLayer]; top != nil {
			t.Layers = []*Branch{branch(top, layers, names)}
		}
		return t, nil
	}
	chain, err := s.layerChain(f.img)
	if err != nil {
		return nil, err
	}
	for _, l := range slices.Backward(chain) {
		t.Layers = append(t.Layers, &Branch{ID: l.ID, Size: l.UncompressedSize, Names: names[l.ID]})
	}
	return t, nil
}

func branch(l *storage.Layer, layers map[string]*storage.Layer, names map[string][]string) *Branch {
	b := &Branch{ID: l.ID, Size: l.UncompressedSize, Names: names[l.ID]}
	for _, child := range layers {
		if child.Parent == l.ID {
			b.Above = append(b.Above, branch(child, layers, names))
		}
	}
	slices.SortFunc(b.Above, func(x, y *Branch) int { return cmp.Compare(x.ID, y.ID) })
	return b
}
