package image

import (
	"context"
	"encoding/json"
	"errors"
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
	rec, err := parent.in.read(parent.img)
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
	below, err := s.below(ctx, parent)
	defer func() {
		for _, l := range below {
			if l.staged != nil {
				s.discard(l.staged)
			}
		}
	}()
	if err != nil {
		return "", err
	}
	d, err := commitDraft(conf, below, layer, c)
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

// below are the layers that the new one stands on, the lowest first. Those of an image
// in an additional store are copied, so that the new image needs nothing elsewhere;
// what is returned with an error is to be discarded too.
func (s *Store) below(ctx context.Context, parent *found) ([]*layerDraft, error) {
	layers, err := parent.in.layerChain(parent.img)
	if err != nil {
		return nil, err
	}
	var out []*layerDraft
	top := ""
	for _, l := range slices.Backward(layers) {
		d := &layerDraft{known: l.ID, diffID: l.UncompressedDigest, blobSize: max(l.UncompressedSize, 0)}
		out = append(out, d)
		top = layerID(top, d.diffID)
		if parent.in == s || s.hasLayer(top) {
			continue
		}
		body, err := parent.in.tarOf(l.ID)
		if err != nil {
			return out, fmt.Errorf("copy layer %.12s from %s: %w", l.ID, parent.in.root, err)
		}
		d.staged, err = s.stage(ctx, body, claim{})
		if err = errors.Join(err, body.Close()); err != nil {
			return out, fmt.Errorf("copy layer %.12s from %s: %w", l.ID, parent.in.root, err)
		}
		if d.staged.diffID != d.diffID {
			return out, fmt.Errorf("copy layer %.12s from %s: its digest is %s, not %s", l.ID, parent.in.root, d.staged.diffID, d.diffID)
		}
	}
	return out, nil
}

func commitDraft(conf *config, below []*layerDraft, layer *staged, c plan.Commit) (*draft, error) {
	d := &draft{created: time.Now().UTC(), layers: append(slices.Clone(below), &layerDraft{staged: layer, diffID: layer.diffID, blobSize: layer.size})}
	var blobs []imgspec.Descriptor
	for _, l := range d.layers {
		blobs = append(blobs, imgspec.Descriptor{MediaType: imgspec.MediaTypeImageLayer, Digest: l.diffID, Size: l.blobSize})
	}

	conf.Created, conf.Author = &d.created, c.Author
	conf.RootFS = imgspec.RootFS{Type: "layers"}
	for _, l := range d.layers {
		conf.RootFS.DiffIDs = append(conf.RootFS.DiffIDs, l.diffID)
	}
	conf.History = append(conf.History, imgspec.History{Created: &d.created, CreatedBy: c.CreatedBy, Author: c.Author, Comment: c.Message})
	var err error
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
