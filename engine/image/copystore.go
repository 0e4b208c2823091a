package image

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/internal/hint"
)

// copyIn copies into the store.
func (s *Store) copyIn(ctx context.Context, src, dst *place, o *CopyOptions) (digest.Digest, error) {
	name, err := fullName(dst.stored)
	if err != nil {
		return "", err
	}
	switch {
	case o.Images != "" && o.Images != SelectSystem:
		return "", hint.New(fmt.Errorf("copy all of %s: %w: the store takes one image of a list", src.text, ErrNotSupported), "burrow manifest create --all NAME "+src.text)
	case !reflect.DeepEqual(o.Output, Output{}):
		return "", fmt.Errorf("copy %s: %w: the store keeps an image as it comes", src.text, ErrNotSupported)
	case src.stored != "":
		if err := s.Tag(ctx, src.stored, []string{dst.stored}); err != nil {
			return "", err
		}
		return s.digestOf(dst.stored)
	}
	done, err := s.atHand(ctx, src)
	defer done()
	if err != nil {
		return "", fmt.Errorf("copy %s: %w", src.text, err)
	}
	t := &transfer{from: src, to: dst, opts: o}
	sys, err := s.remoteSystem(o.Source)
	if err != nil {
		return "", err
	}
	o.Trust.apply(sys)
	sys.OSChoice, sys.ArchitectureChoice, sys.VariantChoice = o.OS, o.Arch, o.Variant
	sys.OCISharedBlobDirPath = o.SourceBlobs
	again := retry{left: o.Retries, delay: o.RetryDelay}
	for {
		err := s.copyInOnce(ctx, src.ImageReference, sys, o, name)
		if err == nil {
			return s.digestOf(name)
		}
		if !again.worth(err) {
			return "", t.explain(err)
		}
		if err := again.wait(ctx); err != nil {
			return "", err
		}
	}
}

func (s *Store) copyInOnce(ctx context.Context, from types.ImageReference, sys *types.SystemContext, o *CopyOptions, name string) error {
	crypt, err := newCrypt(nil, nil, o.DecryptionKeys)
	if err != nil {
		return err
	}
	src := guarded{ImageReference: from, stall: s.opts.Stall, decrypt: crypt.decrypt}
	if !o.Trust.Accept {
		_, err := s.fetchFrom(ctx, src, sys, []string{name})
		return err
	}
	pc, err := policyForSave()
	if err != nil {
		return err
	}
	_, err = s.fetchJudged(ctx, src, pc, sys, []string{name})
	return err
}

func (s *Store) digestOf(ref string) (digest.Digest, error) {
	f, err := s.lookup(ref)
	if err != nil {
		return "", err
	}
	return manifestDigest(f.img), nil
}

// copyOut copies out of the store.
func (s *Store) copyOut(ctx context.Context, src, dst *place, o *CopyOptions) (digest.Digest, error) {
	if o.OS+o.Arch+o.Variant != "" && o.Images != SelectAll {
		return "", fmt.Errorf("copy %s for another platform: %w: of a stored list it is the image for this machine", src.text, ErrNotSupported)
	}
	return s.Push(ctx, src.stored, dst.text, PushOptions{
		Remote: o.Dest, Output: o.Output, Parallel: o.Parallel, Retries: o.Retries, RetryDelay: o.RetryDelay,
		All: o.Images == SelectAll || o.Images == SelectIndex, ListOnly: o.Images == SelectIndex,
	})
}

// refuseForeign fails if a layer is said to be elsewhere than at the registry:
// nobody else is asked for one.
func (s *Store) refuseForeign(ctx context.Context, t *transfer) error {
	src, err := t.from.NewImageSource(ctx, t.fromSys)
	if err != nil {
		return err
	}
	defer src.Close()
	m, mime, err := src.GetManifest(ctx, nil)
	if err != nil || !manifest.MIMETypeIsMultiImage(mime) {
		return err2(err, foreign(m, t.from.name))
	}
	list, err := manifest.ListFromBlob(m, mime)
	if err != nil {
		return fmt.Errorf("%w manifest: %w", ErrInvalid, err)
	}
	instances := list.Instances()
	if t.opts.Images != SelectAll {
		chosen, err := list.ChooseInstance(t.fromSys)
		if err != nil {
			return err
		}
		instances = []digest.Digest{chosen}
	}
	for _, d := range instances {
		m, _, err := src.GetManifest(ctx, &d)
		if err = err2(err, foreign(m, t.from.name)); err != nil {
			return err
		}
	}
	return nil
}

func err2(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

func foreign(m []byte, name reference.Named) error {
	var man struct {
		Layers []struct {
			Digest digest.Digest
			URLs   []string
		}
	}
	if err := json.Unmarshal(m, &man); err != nil {
		return fmt.Errorf("%w manifest: %w", ErrInvalid, err)
	}
	for _, l := range man.Layers {
		if len(l.URLs) > 0 {
			return fmt.Errorf("%w: layer %s is not at %s but at %.100q", ErrNotSupported, l.Digest, name.Name(), l.URLs[0])
		}
	}
	return nil
}
