package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
)

// ImportOptions say what an imported image is like.
type ImportOptions struct {
	Name    string   // "" for none
	Changes []string // instructions of a Dockerfile
	Message string   // for the history
	OS      string   // "" for linux
	Arch    string   // "" for ours
	Variant string
}

// Import makes an image of one layer from a tar stream and returns its ID.
func (s *Store) Import(ctx context.Context, r io.Reader, opts ImportOptions) (string, error) {
	c := &config{}
	if err := applyChanges(&c.Config, opts.Changes); err != nil {
		return "", err
	}
	var names []string
	if opts.Name != "" {
		full, err := fullName(opts.Name)
		if err != nil {
			return "", err
		}
		names = []string{full}
	}
	layer, err := s.stage(ctx, r, claim{})
	if err != nil {
		return "", err
	}
	defer s.discard(layer)
	d, err := importDraft(c, layer, opts)
	if err != nil {
		return "", err
	}
	d.names = names
	return d.id, s.put(ctx, d)
}

func importDraft(c *config, layer *staged, opts ImportOptions) (*draft, error) {
	now := time.Now().UTC()
	c.Created, c.OS, c.Architecture, c.Variant = &now, opts.OS, opts.Arch, opts.Variant
	if c.OS == "" {
		c.OS = "linux"
	}
	if c.Architecture == "" {
		c.Architecture = runtime.GOARCH
	}
	c.RootFS = imgspec.RootFS{Type: "layers", DiffIDs: []digest.Digest{layer.diffID}}
	c.History = []imgspec.History{{Created: &now, CreatedBy: "burrow import", Comment: opts.Message}}
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("write image config: %w", err)
	}
	m := imgspec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: imgspec.MediaTypeImageManifest,
		Config:    imgspec.Descriptor{MediaType: imgspec.MediaTypeImageConfig, Digest: digest.FromBytes(raw), Size: int64(len(raw))},
		Layers:    []imgspec.Descriptor{{MediaType: imgspec.MediaTypeImageLayer, Digest: layer.diffID, Size: layer.size}},
	}
	mraw, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write image manifest: %w", err)
	}
	return &draft{
		id: digest.FromBytes(raw).Encoded(), manifest: mraw, config: raw, created: now,
		layers: []*layerDraft{{staged: layer, diffID: layer.diffID}},
	}, nil
}
