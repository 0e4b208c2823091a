package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"

	"github.com/burrow-run/burrow/engine/plan"
)

// Inspection is all there is to say of an image, in Podman's spelling.
type Inspection struct {
	ID           string            `json:"Id"`
	Digest       digest.Digest     `json:"Digest"`
	RepoTags     []string          `json:"RepoTags"`
	RepoDigests  []string          `json:"RepoDigests"`
	Parent       string            `json:"Parent"`
	Comment      string            `json:"Comment"`
	Created      *time.Time        `json:"Created"`
	Config       *runtimeConfig    `json:"Config"`
	Version      string            `json:"Version"`
	Author       string            `json:"Author"`
	Architecture string            `json:"Architecture"`
	Variant      string            `json:"Variant,omitempty"`
	OS           string            `json:"Os"`
	Size         int64             `json:"Size"`
	VirtualSize  int64             `json:"VirtualSize"`
	GraphDriver  graphDriver       `json:"GraphDriver"`
	RootFS       rootFS            `json:"RootFS"`
	Labels       map[string]string `json:"Labels"`
	Annotations  map[string]string `json:"Annotations"`
	ManifestType string            `json:"ManifestType"`
	User         string            `json:"User"`
	History      []imgspec.History `json:"History"`
	NamesHistory []string          `json:"NamesHistory"`
	HealthCheck  *healthcheck      `json:"Healthcheck,omitempty"`
	// IDs that a container of this image needs.
	Identities identities `json:"Identities"`
}

type graphDriver struct {
	Name string            `json:"Name"`
	Data map[string]string `json:"Data"`
}

type rootFS struct {
	Type   string          `json:"Type"`
	Layers []digest.Digest `json:"Layers"`
}

// identities are Burrow's own addition: what the plan says.
type identities struct {
	UIDs    []uint32 `json:"Uids"`
	GIDs    []uint32 `json:"Gids"`
	Entries int      `json:"Entries"`
	Bytes   int64    `json:"Bytes"`
}

// Inspect describes the image ref.
func (s *Store) Inspect(ctx context.Context, ref string) (*Inspection, error) {
	f, err := s.lookupImage(ref)
	if err != nil {
		return nil, err
	}
	r, err := f.in.read(f.img)
	if err != nil {
		return nil, err
	}
	layers, err := f.in.layers()
	if err != nil {
		return nil, err
	}
	size := f.in.summary(f.img, layers).Size
	c := r.config
	in := &Inspection{
		ID: f.img.ID, Digest: manifestDigest(f.img), RepoTags: notNil(f.img.Names), RepoDigests: notNil(repoDigests(f.img)),
		Comment: c.Comment, Created: c.Created, Config: &c.Config, Version: c.DockerVersion, Author: c.Author,
		Architecture: c.Architecture, Variant: c.Variant, OS: c.OS, Size: size, VirtualSize: size,
		RootFS: rootFS{Type: c.RootFS.Type, Layers: notNil(c.RootFS.DiffIDs)}, Labels: c.Config.Labels,
		Annotations: r.annotations, ManifestType: manifest.GuessMIMEType(r.manifest), User: c.Config.User,
		History: notNil(c.History), NamesHistory: notNil(f.img.NamesHistory), HealthCheck: c.Config.Healthcheck,
	}
	if in.Annotations == nil {
		in.Annotations = map[string]string{}
	}
	if in.Comment == "" && len(c.History) > 0 {
		in.Comment = c.History[len(c.History)-1].Comment
	}
	p, err := s.planOf(ctx, f)
	if errors.Is(err, ErrNotInPlace) { // what can be said of it is said
		in.GraphDriver = graphDriver{Name: driver, Data: map[string]string{}}
		return in, nil
	}
	if err != nil {
		return nil, err
	}
	in.GraphDriver = graphData(p)
	in.Identities = identities{UIDs: p.UIDs, GIDs: p.GIDs, Entries: len(p.Shift), Bytes: p.ShiftBytes}
	return in, nil
}

func notNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// graphData names the layer directories as Podman and Docker do.
func graphData(p *plan.Plan) graphDriver {
	g := graphDriver{Name: driver, Data: map[string]string{}}
	for i, l := range p.Layers {
		switch i {
		case 0:
			g.Data["UpperDir"] = l
		case 1:
			g.Data["LowerDir"] = l
		default:
			g.Data["LowerDir"] += ":" + l
		}
	}
	return g
}

// RawConfig returns the configuration as it is stored.
func (s *Store) RawConfig(ref string) (json.RawMessage, error) {
	f, err := s.lookupImage(ref)
	if err != nil {
		return nil, err
	}
	r, err := f.in.read(f.img)
	if err != nil {
		return nil, fmt.Errorf("read image config: %w", err)
	}
	return r.rawConfig, nil
}
