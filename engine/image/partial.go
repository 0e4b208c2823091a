package image

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/engine/image/chunked"
)

// A layer that a registry has as zstd:chunked is put together of files of stored
// layers and of those parts of its blob that are missing, where that spares
// enough. Source and destination of one copy share what they know:
//
//	guardedSource.GetBlob ── plan ──► tables of the blob, what is here
//	        │ a token, then the parts that are missing
//	        ▼ through the image library, which counts them
//	destination.PutBlob ── assemble ──► stage, as every layer
//	        │ another diff ID than the configuration says, or any error
//	        └──► errWhole: copied again, this layer whole
//
// The image library compares a blob with its digest when it has been read to its
// end, which the parts never are: here the diff ID takes its place.

// errWhole means that a layer could not be put together. Copying again fetches
// it whole.
var errWhole = errors.New("the layer could not be put together of parts")

const (
	// smallest is how many bytes a blob must have: below, the requests for its tables
	// take as long as the blob itself does at 100 Mbit/s.
	smallest = 1 << 20
	// perRequest is what a request costs in bytes, from an answer after 20 ms at
	// 100 Mbit/s: smaller gaps are fetched along.
	perRequest = 256 << 10
	// perPart is the same where several parts come in one answer: a header, and a
	// seek.
	perPart = 4 << 10
	// maxTables is which part of a blob, one in so many, its tables may be.
	maxTables = 4
	// worth is the part of a blob, one in so many, that must be spared.
	worth = 10
)

// partials is what the two sides of one copy know of layers that come in parts.
type partials struct {
	store *Store

	planning sync.Mutex // one layer after another: the tables are small
	diffIDs  map[digest.Digest]digest.Digest

	mu      sync.Mutex
	source  *guardedSource
	planned map[digest.Digest]*partial // nil for what is fetched whole
	refused int
}

// newPartials returns nil where layers are to come whole.
func (s *Store) newPartials() *partials {
	if s.damaged != nil {
		return nil
	}
	return &partials{store: s, planned: map[digest.Digest]*partial{}}
}

// plan decides whether the blob is fetched in parts, and returns nil if not.
func (p *partials) plan(ctx context.Context, g *guardedSource, info types.BlobInfo) *partial {
	places := chunkedPlaces(info)
	if p == nil || places == nil || places.Whole() || info.Size < smallest || places.Range().Len() > info.Size/maxTables {
		return nil
	}
	p.planning.Lock()
	defer p.planning.Unlock()
	if p.known(info.Digest) {
		return nil
	}
	one, err := p.find(ctx, g, info, places)
	log := p.store.log.With(slog.String("blob", info.Digest.String()))
	switch {
	case err != nil:
		log.Debug("the layer is fetched whole", slog.Any("error", err))
	case one != nil:
		log.Debug("the layer is fetched in parts", slog.Int64("fetched", one.Fetched()), slog.Int64("reused", one.Reused), slog.Int("parts", len(one.Ranges)))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.planned[info.Digest] = one
	return one
}

// known says whether the blob has been planned: a second stream of it is whole.
func (p *partials) known(blob digest.Digest) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, known := p.planned[blob]
	return known
}

// chunkedPlaces says where the tables of a layer are, nil for a layer without.
func chunkedPlaces(info types.BlobInfo) *chunked.Places {
	if info.MediaType != imgspec.MediaTypeImageLayerZstd || info.Digest.Validate() != nil || info.Digest.Algorithm() != digest.SHA256 {
		return nil
	}
	return chunked.Find(info.Annotations, info.Size)
}

// find returns nil if it is not worth it.
func (p *partials) find(ctx context.Context, g *guardedSource, info types.BlobInfo, places *chunked.Places) (*partial, error) {
	ids, err := p.store.searchable()
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	if err := p.store.partsAllowed(); err != nil {
		return nil, err
	}
	from := p.ranger(ctx, g, info)
	if from == nil || from.most == 0 {
		return nil, errors.New("the source delivers no parts")
	}
	diffID, err := p.diffID(ctx, g, info.Digest)
	if err != nil {
		return nil, err
	}
	table, split, err := p.store.tables(ctx, newParts(ctx, g.stall, from, info, []chunked.Range{places.Range()}, ""), places)
	if err != nil {
		return nil, err
	}
	files := p.store.library(ids)
	gap := int64(perPart)
	if from.most == 1 {
		gap = perRequest
	}
	plan := table.Plan(files.search(table.Wanted()), gap)
	requests := (len(plan.Ranges) + from.most - 1) / from.most
	cost := plan.Fetched() + int64(len(plan.Ranges))*perPart + int64(requests)*perRequest
	if cost > info.Size-info.Size/worth {
		files.close()
		_ = split.Close() // it has no name any more
		return nil, fmt.Errorf("of %d bytes, %d would have to be fetched", info.Size, cost)
	}
	token := zstdMagic + rand.Text() // the library looks at the begin
	return &partial{
		Plan: plan, diffID: diffID, token: token, files: files, split: split, index: table.Index(info.Digest),
		parts: newParts(ctx, g.stall, from, info, plan.Ranges, token),
	}, nil
}

// ranger is what fetches parts from g, or nil. It is asked once how it does.
func (p *partials) ranger(ctx context.Context, g *guardedSource, info types.BlobInfo) *ranger {
	if g.ranger == nil {
		if g.ranger = newRanger(g.ImageSource); g.ranger == nil {
			return nil
		}
		ctx, dog := watch(ctx, g.stall)
		defer dog.stop()
		g.ranger.probe(ctx, info)
	}
	return g.ranger
}

// from says where the image of this copy comes from.
func (p *partials) from(g *guardedSource) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.source = g
}

// diffID is what the image's configuration says that the blob unpacks to. It is
// asked for here, as the library fetches it after the layers.
func (p *partials) diffID(ctx context.Context, g *guardedSource, blob digest.Digest) (digest.Digest, error) {
	if p.diffIDs == nil {
		man, err := manifest.FromBlob(g.manifest, manifest.GuessMIMEType(g.manifest))
		if err != nil {
			return "", err
		}
		body, _, err := g.GetBlob(ctx, man.ConfigInfo(), none.NoCache)
		if err != nil {
			return "", err
		}
		defer body.Close()
		b, err := io.ReadAll(io.LimitReader(body, maxConfig+1))
		if err != nil {
			return "", err
		}
		if digest.FromBytes(b) != man.ConfigInfo().Digest {
			return "", fmt.Errorf("%w: its configuration has another digest", ErrInvalid)
		}
		c, err := parseConfig(b)
		if err != nil {
			return "", err
		}
		layers := man.LayerInfos()
		if len(layers) != len(c.RootFS.DiffIDs) {
			return "", fmt.Errorf("%w: the manifest has %d layers, the config %d", ErrInvalid, len(layers), len(c.RootFS.DiffIDs))
		}
		p.diffIDs = map[digest.Digest]digest.Digest{}
		for i, l := range layers {
			p.diffIDs[l.Digest] = c.RootFS.DiffIDs[i]
		}
	}
	d := p.diffIDs[blob]
	if err := d.Validate(); err != nil {
		return "", err
	}
	return d, nil
}

// of returns what stream brings, if that are the parts of a blob, and the stream
// from there on. Only the two sides of this copy know the token.
func (p *partials) of(blob digest.Digest, stream io.Reader) (*partial, io.Reader, error) {
	if p == nil {
		return nil, stream, nil
	}
	p.mu.Lock()
	one := p.planned[blob]
	p.mu.Unlock()
	if one == nil {
		return nil, stream, nil
	}
	head := make([]byte, len(one.token))
	n, err := io.ReadFull(stream, head)
	switch {
	case err == nil && string(head) == one.token:
		return one, stream, nil
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, io.MultiReader(bytes.NewReader(head[:n]), stream), nil
	}
	return nil, nil, err
}

// refuse says that a layer must come whole.
func (p *partials) refuse(blob digest.Digest, why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.planned[blob] = nil
	p.refused++
	p.store.log.Info("the layer is fetched again, whole", slog.String("blob", blob.String()), slog.Any("error", why))
}

// refusals is how often that was said.
func (p *partials) refusals() int {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refused
}

// close frees what was planned and has not been put together.
func (p *partials) close() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.planned {
		if one != nil {
			one.free()
		}
	}
}

// present returns a stored layer that was put together of parts of the blob, or
// nil. That it stands for the blob was never compared; so it counts only
// where the configuration says the same diff ID as the one that came with it.
func (p *partials) present(ctx context.Context, info types.BlobInfo) *layerDraft {
	if p == nil || chunkedPlaces(info) == nil {
		return nil
	}
	ids, err := p.store.searchable()
	if err != nil {
		return nil
	}
	for _, id := range ids {
		l, err := p.store.store.Layer(id)
		if err != nil || p.store.blobOf(id) != info.Digest {
			continue
		}
		p.mu.Lock()
		from := p.source
		p.mu.Unlock()
		p.planning.Lock()
		d, err := p.diffID(ctx, from, info.Digest)
		p.planning.Unlock()
		if err == nil && d == l.UncompressedDigest {
			return &layerDraft{known: id, diffID: d, claimed: true}
		}
	}
	return nil
}
