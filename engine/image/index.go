package image

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
)

// An index is a list of images, one for each platform, that is made by hand. In
// the store it is an image without layers, so that it shares their names and
// IDs; it holds no image, but says where each is: in the store, at a registry,
// in a directory or an archive. What it is for is to be pushed.

// indexKey holds an index as it is kept: the only thing that is written when one
// changes, and so always whole. The manifest beside it is made from it.
const indexKey = "burrow-index.json"

// index is an index of the store.
type index struct {
	img  *storage.Image
	name string // by which it was called, "" if by ID
	indexData
}

// indexData is what is kept of an index.
type indexData struct {
	Index imgspec.Index `json:"index"`
	// From says where the image with a digest is: TRANSPORT:REST, or "" for in
	// the store.
	From map[digest.Digest]string `json:"from"`
	// Features are those that only Docker's lists have.
	Features map[digest.Digest][]string `json:"features,omitempty"`
}

func isIndex(img *storage.Image) bool { return slices.Contains(img.BigDataNames, indexKey) }

// index returns the index that ref stands for.
func (s *Store) index(ref string) (*index, error) {
	f, err := s.lookup(ref)
	if err != nil {
		return nil, hint.New(err, "burrow images --filter manifest=true")
	}
	if !isIndex(f.img) {
		return nil, hint.New(fmt.Errorf("%s: %w", ref, ErrNoIndex), "burrow manifest create NAME "+ref)
	}
	return s.readIndex(f)
}

func (s *Store) readIndex(f *found) (*index, error) {
	x := &index{img: f.img, name: f.name}
	b, err := s.store.ImageBigData(f.img.ID, indexKey)
	if err != nil {
		return nil, fmt.Errorf("read list %.12s: %w", f.img.ID, err)
	}
	if err := json.Unmarshal(b, &x.indexData); err != nil {
		return nil, fmt.Errorf("read list %.12s: %w", f.img.ID, err)
	}
	return x, nil
}

// CreateOptions say how a list is made.
type CreateOptions struct {
	// Amend takes a list of that name as it is, if there is one.
	Amend bool
	// Annotations of the list itself.
	Annotations map[string]string
	AddOptions
}

// CreateIndex makes a list of images with a name, and returns its ID.
func (s *Store) CreateIndex(ctx context.Context, name string, images []string, opts CreateOptions) (string, error) {
	full, err := fullName(name)
	if err != nil {
		return "", err
	}
	was, err := s.index(full)
	switch {
	case errors.Is(err, ErrNotFound):
	case err == nil && opts.Amend:
		return s.amendIndex(ctx, was, images, opts)
	case err == nil:
		return "", hint.New(fmt.Errorf("the list %s exists", full), "burrow manifest create --amend "+name+" …, or remove it: burrow manifest rm "+name)
	case errors.Is(err, ErrNoIndex):
		return "", hint.New(fmt.Errorf("%s is the name of an image", full), "give the list another name")
	default:
		return "", err
	}
	members, err := s.membersOf(ctx, images, opts.AddOptions)
	if err != nil {
		return "", err
	}
	x := &index{indexData: indexData{Index: imgspec.Index{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: imgspec.MediaTypeImageIndex, Manifests: []imgspec.Descriptor{}, Annotations: opts.Annotations,
	}}}
	for _, m := range members {
		x.put(m)
	}
	id := make([]byte, 32)
	_, _ = rand.Read(id) // never fails
	return hex.EncodeToString(id), s.exclusive(ctx, func() error { return s.storeIndex(hex.EncodeToString(id), full, x) })
}

func (s *Store) amendIndex(ctx context.Context, was *index, images []string, opts CreateOptions) (string, error) {
	members, err := s.membersOf(ctx, images, opts.AddOptions)
	if err != nil {
		return "", err
	}
	return s.changeIndex(ctx, was.img.ID, func(x *index) error {
		for key, value := range opts.Annotations {
			annotate(&x.Index.Annotations, key, value)
		}
		for _, m := range members {
			x.put(m)
		}
		return nil
	})
}

// storeIndex makes the record. Somebody else may have taken the name meanwhile.
func (s *Store) storeIndex(id, name string, x *index) error {
	big, err := x.bigData()
	if err != nil {
		return err
	}
	_, err = s.store.CreateImage(id, []string{name}, "", "", &storage.ImageOptions{CreationDate: time.Now().UTC(), BigData: big})
	if errors.Is(err, storage.ErrDuplicateName) {
		return hint.New(fmt.Errorf("the name %s is taken", name), "see burrow images; if it is not there: "+plan.RepairCommand)
	}
	if err != nil {
		return fmt.Errorf("store list: %w", err)
	}
	_, err = s.writePlan(id)
	return err
}

// changeIndex reads a list, lets fn change it, and writes it. It returns the ID.
func (s *Store) changeIndex(ctx context.Context, ref string, fn func(*index) error) (id string, err error) {
	err = s.exclusive(ctx, func() error {
		x, err := s.index(ref)
		if err != nil {
			return err
		}
		id = x.img.ID
		if err := fn(x); err != nil {
			return err
		}
		big, err := x.bigData()
		if err != nil {
			return err
		}
		for _, b := range big {
			asManifest := func([]byte) (digest.Digest, error) { return b.Digest, nil }
			if err := s.store.SetImageBigData(id, b.Key, b.Data, asManifest); err != nil {
				return fmt.Errorf("store list: %w", err)
			}
		}
		p, err := s.writePlan(id)
		if err != nil {
			return err
		}
		return plan.Prune(s.dirs, p)
	})
	return id, err
}

// bigData is what is stored of x, the record first.
func (x *index) bigData() ([]storage.ImageBigDataOption, error) {
	kept, err := json.Marshal(x.indexData)
	if err != nil {
		return nil, fmt.Errorf("bug: encode list: %w", err)
	}
	m, err := json.Marshal(x.Index)
	if err != nil {
		return nil, fmt.Errorf("bug: encode list: %w", err)
	}
	if len(m) > maxManifest {
		return nil, fmt.Errorf("%w: the list has %d bytes, more than %d", ErrInvalid, len(m), maxManifest)
	}
	return []storage.ImageBigDataOption{
		{Key: indexKey, Data: kept, Digest: digest.FromBytes(kept)},
		{Key: storage.ImageDigestBigDataKey, Data: m, Digest: digest.FromBytes(m)},
	}, nil
}

// choose returns the digest of the image for a platform, "" meaning this
// machine's. artifacts have no platform and are never chosen.
func (x *index) choose(sys *types.SystemContext) (digest.Digest, error) {
	list := manifest.OCI1IndexFromComponents(x.Index.Manifests, nil)
	return list.ChooseInstance(sys)
}

// storedBy returns the stored image that has a manifest of that digest, or nil.
func (s *Store) storedBy(d digest.Digest) (*storage.Image, error) {
	images, err := s.store.ImagesByDigest(d)
	if err != nil && !errors.Is(err, storage.ErrImageUnknown) {
		return nil, fmt.Errorf("look for image %s: %w", d, err)
	}
	for _, img := range images {
		if !isIndex(img) {
			return img, nil
		}
	}
	return nil, nil //nolint:nilnil // no error, no image
}

// ofPlatform replaces a list by its image for this machine, which must be in
// the store.
func (s *Store) ofPlatform(f *found) (*found, error) {
	x, err := s.readIndex(f)
	if err != nil {
		return nil, err
	}
	what := f.name
	if what == "" {
		what = f.img.ID[:12]
	}
	sys, err := s.system()
	if err != nil {
		return nil, err
	}
	d, err := x.choose(sys)
	if err != nil {
		return nil, hint.New(fmt.Errorf("the list %s has no image for this machine's platform: %w", what, ErrNotFound), "burrow manifest inspect "+what)
	}
	img, err := s.storedBy(d)
	if err != nil {
		return nil, err
	}
	if img == nil {
		err := fmt.Errorf("the list %s says that its image is %s, which is not stored: %w", what, d, ErrNotFound)
		if from := x.From[d]; from != "" {
			return nil, hint.New(err, "burrow pull "+from)
		}
		return nil, hint.New(err, "burrow manifest inspect "+what)
	}
	return &found{img: img, name: f.name, in: s}, nil
}

// lookupImage finds a stored image; of a list, that for this machine.
func (s *Store) lookupImage(ref string) (*found, error) {
	f, err := s.lookup(ref)
	if err != nil || !isIndex(f.img) {
		return f, err
	}
	return s.ofPlatform(f)
}

// indexPlan is the plan of a list: by its names `run` finds which image to take.
func (s *Store) indexPlan(img *storage.Image) (*plan.Plan, error) {
	x, err := s.readIndex(&found{img: img, in: s})
	if err != nil {
		return nil, err
	}
	p := &plan.Plan{
		Version: plan.Version, ID: img.ID, Digest: manifestDigest(img).String(), Names: img.Names,
		Created: img.Created.UTC().Truncate(time.Second), Instances: []plan.Instance{},
	}
	for i := range x.Index.Manifests {
		m := &x.Index.Manifests[i]
		if m.Platform == nil {
			continue
		}
		in := plan.Instance{OS: m.Platform.OS, Arch: m.Platform.Architecture, Variant: m.Platform.Variant, From: x.From[m.Digest]}
		stored, err := s.storedBy(m.Digest)
		if err != nil {
			return nil, err
		}
		if stored != nil {
			in.ID = stored.ID
		}
		p.Instances = append(p.Instances, in)
	}
	return p, nil
}
