package image

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/burrow-run/burrow/engine/plan"
)

// CommitLayer makes an image of a stored one and one more layer, which it reads
// as a tar stream, and returns its ID.
func (s *Store) CommitLayer(ctx context.Context, c plan.Commit, r io.Reader) (string, error) {
	parent, err := s.lookup(c.Parent)
	if err != nil {
		return "", err
	}
	rec, err := s.read(parent.img)
	if err != nil {
		return "", err
	}
	conf := rec.config
	conf.setConfig(c.Config)
	if err := applyChanges(&conf.Config, c.Changes); err != nil {
		return "", err
	}
	var names []string
	if c.Name != "" {
		full, err := fullName(c.Name)
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
	d, err := s.commitDraft(conf, parent.img.TopLayer, layer, c)
	if err != nil {
		return "", err
	}
	d.names = names
	return d.id, s.put(ctx, d)
}

// setConfig takes over what a container has made of its image's configuration.
func (c *config) setConfig(p plan.Config) {
	rc := &c.Config
	rc.Entrypoint, rc.Cmd, rc.Env, rc.User, rc.WorkingDir = p.Entrypoint, p.Cmd, p.Env, p.User, p.WorkingDir
	rc.StopSignal, rc.Labels = p.StopSignal, p.Labels
	rc.Volumes, rc.ExposedPorts = set(p.Volumes), set(p.ExposedPorts)
	rc.Healthcheck = nil
	if h := p.Healthcheck; h != nil {
		rc.Healthcheck = (*healthcheck)(h)
	}
}

func set(list []string) map[string]struct{} {
	if len(list) == 0 {
		return nil
	}
	out := map[string]struct{}{}
	for _, v := range list {
		out[v] = struct{}{}
	}
	return out
}

func (s *Store) commitDraft(conf *config, top string, layer *staged, c plan.Commit) (*draft, error) {
	ids, err := s.chain(top)
	if err != nil {
		return nil, err
	}
	slices.Reverse(ids)
	d := &draft{created: time.Now().UTC()}
	var blobs []imgspec.Descriptor
	for _, id := range ids {
		l, err := s.store.Layer(id)
		if err != nil {
			return nil, fmt.Errorf("layer %.12s: %w", id, err)
		}
		d.layers = append(d.layers, &layerDraft{known: id, diffID: l.UncompressedDigest})
		blobs = append(blobs, imgspec.Descriptor{MediaType: imgspec.MediaTypeImageLayer, Digest: l.UncompressedDigest, Size: max(l.UncompressedSize, 0)})
	}
	d.layers = append(d.layers, &layerDraft{staged: layer, diffID: layer.diffID})
	blobs = append(blobs, imgspec.Descriptor{MediaType: imgspec.MediaTypeImageLayer, Digest: layer.diffID, Size: layer.size})

	conf.Created, conf.Author = &d.created, c.Author
	conf.RootFS = imgspec.RootFS{Type: "layers"}
	for _, l := range d.layers {
		conf.RootFS.DiffIDs = append(conf.RootFS.DiffIDs, l.diffID)
	}
	conf.History = append(conf.History, imgspec.History{Created: &d.created, CreatedBy: c.CreatedBy, Author: c.Author, Comment: c.Message})
	if d.config, err = json.Marshal(conf); err != nil {
		return nil, fmt.Errorf("write image config: %w", err)
	}
	d.id = digest.FromBytes(d.config).Encoded()
	d.manifest, err = json.Marshal(imgspec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: imgspec.MediaTypeImageManifest,
		Config:    imgspec.Descriptor{MediaType: imgspec.MediaTypeImageConfig, Digest: digest.FromBytes(d.config), Size: int64(len(d.config))},
		Layers:    blobs,
	})
	if err != nil {
		return nil, fmt.Errorf("write image manifest: %w", err)
	}
	return d, nil
}
