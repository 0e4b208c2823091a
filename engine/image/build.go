package image

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/storage"

	"github.com/burrow-run/burrow/engine/plan"
)

// record is what the store has on one image, parsed.
type record struct {
	img         *storage.Image
	manifest    []byte
	config      *config
	rawConfig   []byte
	annotations map[string]string
}

// read loads manifest and configuration of a stored image.
func (s *Store) read(img *storage.Image) (*record, error) {
	r := &record{img: img}
	var err error
	if r.manifest, err = s.store.ImageBigData(img.ID, storage.ImageDigestBigDataKey); err != nil {
		return nil, fmt.Errorf("image %.12s: read manifest: %w", img.ID, err)
	}
	if manifest.MIMETypeIsMultiImage(manifest.GuessMIMEType(r.manifest)) {
		return nil, fmt.Errorf("image %.12s: it is a list of images: %w", img.ID, ErrNotSupported)
	}
	var m struct {
		Config      struct{ Digest digest.Digest }
		Annotations map[string]string
	}
	if err := json.Unmarshal(r.manifest, &m); err != nil {
		return nil, fmt.Errorf("image %.12s: parse manifest: %w", img.ID, err)
	}
	if r.rawConfig, err = s.store.ImageBigData(img.ID, m.Config.Digest.String()); err != nil {
		return nil, fmt.Errorf("image %.12s: read config: %w", img.ID, err)
	}
	if r.config, err = parseConfig(r.rawConfig); err != nil {
		return nil, fmt.Errorf("image %.12s: %w", img.ID, err)
	}
	r.annotations = m.Annotations
	return r, nil
}

// writePlan makes the plan of a stored image and its names.
func (s *Store) writePlan(id string) (*plan.Plan, error) {
	img, err := s.store.Image(id)
	if err != nil {
		return nil, fmt.Errorf("image %.12s: %w", id, err)
	}
	if isIndex(img) {
		p, err := s.indexPlan(img)
		if err != nil {
			return nil, err
		}
		return p, plan.Write(s.dirs, p)
	}
	r, err := s.read(img)
	if err != nil {
		return nil, err
	}
	p, err := s.makePlan(r)
	if err != nil {
		return nil, err
	}
	return p, plan.Write(s.dirs, p)
}

func (s *Store) makePlan(r *record) (*plan.Plan, error) {
	p := &plan.Plan{
		Version: plan.Version, ID: r.img.ID, Names: r.img.Names,
		Created: r.img.Created.UTC().Truncate(time.Second), Arch: r.config.Architecture, OS: r.config.OS,
		Config: r.config.planConfig(r.annotations),
	}
	p.Digest, p.Digests = digestsOf(r.img)
	ids, err := s.chain(r.img.TopLayer)
	if err != nil {
		return nil, fmt.Errorf("image %.12s: %w", r.img.ID, err)
	}
	v, err := s.openView(ids)
	if err != nil {
		return nil, fmt.Errorf("image %.12s: %w", r.img.ID, err)
	}
	defer v.close()
	for _, id := range ids[:len(v.layers)] {
		p.Layers = append(p.Layers, s.layerDir(id))
	}
	if p.Shift, p.ShiftBytes, err = v.shift(); err != nil {
		return nil, fmt.Errorf("image %.12s: %w", r.img.ID, err)
	}
	uids, gids := v.accounts()
	for _, e := range p.Shift {
		uids, gids = append(uids, e.UID), append(gids, e.GID)
	}
	p.UIDs, p.GIDs = ascending(uids), ascending(gids)
	return p, nil
}

// digestsOf are those of the manifest that came last, and of the others.
func digestsOf(img *storage.Image) (last string, others []string) {
	last = manifestDigest(img).String()
	for _, d := range img.Digests {
		if d.String() != last {
			others = append(others, d.String())
		}
	}
	slices.Sort(others)
	return last, others
}

// ascending sorts, and drops duplicates and zero.
func ascending(ids []uint32) []uint32 {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) > 0 && ids[0] == 0 {
		ids = ids[1:]
	}
	return ids
}
