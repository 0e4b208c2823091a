package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
)

// AnnotateIndex changes what the list ref says of the image which, a digest or
// a name, and returns its ID.
func (s *Store) AnnotateIndex(ctx context.Context, ref, which string, e Entry) (string, error) {
	d, err := s.memberDigest(ref, which)
	if err != nil {
		return "", err
	}
	return s.changeIndex(ctx, ref, func(x *index) error {
		m := x.member(d)
		if m == nil {
			return notIn(ref, which)
		}
		e.apply(m)
		if e.Features != nil {
			x.setFeatures(d, e.Features)
		}
		return nil
	})
}

// AnnotateWholeIndex changes what the list ref says of itself. subject, if set,
// names the image that it belongs to.
func (s *Store) AnnotateWholeIndex(ctx context.Context, ref string, annotations map[string]string, subject string, remote Remote) (string, error) {
	var to *imgspec.Descriptor
	if subject != "" {
		members, err := s.members(ctx, subject, AddOptions{Remote: remote})
		if err != nil {
			return "", fmt.Errorf("subject %s: %w", subject, err)
		}
		m := members[0]
		to = &imgspec.Descriptor{MediaType: m.MediaType, Digest: m.Digest, Size: m.Size, ArtifactType: m.ArtifactType}
	}
	return s.changeIndex(ctx, ref, func(x *index) error {
		for key, value := range annotations {
			annotate(&x.Index.Annotations, key, value)
		}
		if to != nil {
			x.Index.Subject = to
		}
		return nil
	})
}

// RemoveFromIndex takes the image which out of the list ref and returns its ID.
func (s *Store) RemoveFromIndex(ctx context.Context, ref, which string) (string, error) {
	d, err := s.memberDigest(ref, which)
	if err != nil {
		return "", err
	}
	return s.changeIndex(ctx, ref, func(x *index) error {
		if !x.remove(d) {
			return notIn(ref, which)
		}
		return nil
	})
}

func notIn(list, which string) error {
	return hint.New(fmt.Errorf("the list %s does not have %s", list, which), "burrow manifest inspect "+list)
}

// memberDigest is the digest that is meant by one, or by the name of a stored
// image.
func (s *Store) memberDigest(list, which string) (digest.Digest, error) {
	d, err := digest.Parse(which)
	if err == nil {
		return d, nil
	}
	f, err := s.lookup(which)
	if err != nil || isIndex(f.img) {
		return "", hint.New(fmt.Errorf("%q is neither a digest nor a stored image", which), "burrow manifest inspect "+list)
	}
	return manifestDigest(f.img), nil
}

func (x *index) member(d digest.Digest) *imgspec.Descriptor {
	for i := range x.Index.Manifests {
		if x.Index.Manifests[i].Digest == d {
			return &x.Index.Manifests[i]
		}
	}
	return nil
}

// IndexExists says whether ref stands for a stored list. That it stands for an image is
// no answer but an error, ErrNoIndex, as scripts that know Podman expect.
func (s *Store) IndexExists(ref string) (bool, error) {
	f, err := s.lookup(ref)
	if errors.Is(err, ErrNotFound) || errors.Is(err, plan.ErrName) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !isIndex(f.img) {
		return false, hint.New(fmt.Errorf("%s: %w", ref, ErrNoIndex), "burrow image exists "+ref)
	}
	return true, nil
}

// RemoveIndex removes the name of a list, or the list with its last name, as
// [Store.Remove] does; what is no list stays.
func (s *Store) RemoveIndex(ctx context.Context, ref string) (Removed, error) {
	if _, err := s.index(ref); err != nil {
		if errors.Is(err, ErrNoIndex) {
			return Removed{}, hint.New(fmt.Errorf("%s: %w", ref, ErrNoIndex), "burrow rmi "+ref)
		}
		return Removed{}, err
	}
	return s.Remove(ctx, ref, RemoveOptions{})
}

// InspectIndex returns the stored list ref as JSON, or else what the registry
// has under that name. single says that this is no list.
func (s *Store) InspectIndex(ctx context.Context, ref string, remote Remote) (raw json.RawMessage, single bool, err error) {
	f, err := s.lookup(ref)
	if err == nil && isIndex(f.img) {
		x, err := s.readIndex(f)
		if err != nil {
			return nil, false, err
		}
		raw, err := x.shown()
		return raw, false, err
	}
	if err == nil && (f.name == "" || strings.HasPrefix(f.name, "localhost/")) {
		return nil, false, hint.New(fmt.Errorf("%s: %w", ref, ErrNoIndex), "burrow image inspect "+ref)
	}
	sys, err := s.remoteSystem(remote)
	if err != nil {
		return nil, false, err
	}
	candidates, err := resolve(sys, ref)
	if err != nil {
		return nil, false, err
	}
	var errs []error
	for _, c := range candidates {
		from, err := docker.NewReference(c)
		if err != nil {
			return nil, false, badName(ref)
		}
		raw, mime, err := s.manifestAt(ctx, guarded{ImageReference: from, stall: s.opts.Stall}, sys)
		if err == nil {
			return raw, !manifest.MIMETypeIsMultiImage(mime), nil
		}
		errs = append(errs, explain("inspect", c.String(), reference.Domain(c), simplify(err)))
	}
	return nil, false, errors.Join(errs...)
}

// shown is x with the features that only Docker's lists have.
func (x *index) shown() (json.RawMessage, error) {
	type platform struct {
		imgspec.Platform
		Features []string `json:"features,omitempty"`
	}
	type descriptor struct {
		imgspec.Descriptor
		Platform *platform `json:"platform,omitempty"`
	}
	type shown struct {
		imgspec.Index
		Manifests []descriptor `json:"manifests"`
	}
	out := shown{Index: x.Index, Manifests: []descriptor{}}
	for _, m := range x.Index.Manifests {
		d := descriptor{Descriptor: m}
		if m.Platform != nil {
			d.Platform = &platform{*m.Platform, x.Features[m.Digest]}
		}
		out.Manifests = append(out.Manifests, d)
	}
	return json.Marshal(out)
}
