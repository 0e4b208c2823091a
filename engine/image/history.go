package image

import (
	"fmt"
	"slices"
	"time"

	"go.podman.io/storage"
)

// Step is one line of an image's history.
type Step struct {
	ID        string // of the image, "" but for the newest step
	Created   *time.Time
	CreatedBy string
	Comment   string
	Size      int64 // bytes, unpacked; 0 if the step made no layer
	Names     []string
}

// History tells how the image ref was made, the newest step first.
func (s *Store) History(ref string) ([]Step, error) {
	f, err := s.lookupImage(ref)
	if err != nil {
		return nil, err
	}
	r, err := f.in.read(f.img)
	if err != nil {
		return nil, err
	}
	layers, err := f.in.layerChain(f.img)
	if err != nil {
		return nil, err
	}
	var out []Step
	for _, h := range slices.Backward(r.config.History) {
		step := Step{Created: h.Created, CreatedBy: h.CreatedBy, Comment: h.Comment}
		if !h.EmptyLayer && len(layers) > 0 {
			step.Size, layers = layers[0].UncompressedSize, layers[1:]
		}
		out = append(out, step)
	}
	for _, l := range layers { // that the configuration says nothing of
		out = append(out, Step{Size: l.UncompressedSize})
	}
	if len(out) == 0 {
		out = []Step{{Created: r.config.Created}}
	}
	out[0].ID, out[0].Names = f.img.ID, f.img.Names
	return out, nil
}

// layerChain returns the layers of an image, topmost first.
func (s *Store) layerChain(img *storage.Image) ([]*storage.Layer, error) {
	ids, err := s.chain(img.TopLayer)
	if err != nil {
		return nil, fmt.Errorf("image %.12s: %w", img.ID, err)
	}
	out := make([]*storage.Layer, len(ids))
	for i, id := range ids {
		if out[i], err = s.store.Layer(id); err != nil {
			return nil, fmt.Errorf("image %.12s: layer %.12s: %w", img.ID, id, err)
		}
	}
	return out, nil
}
