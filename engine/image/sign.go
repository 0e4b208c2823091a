package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/internal/hint"
)

// signer adds GnuPG's simple signatures to what has been written to a place.
type signer struct {
	mech *gpg
	wait time.Duration // for a registry that says nothing; a person may take longer
	to   *place
	name reference.Named // that the signature is for
	dir  string          // where signatures go; "" is where the place has them
}

// signer returns nil if no such signature is asked for.
func (s *Store) signer(ctx context.Context, to *place, sys *types.SystemContext, o *Signing) (*signer, error) {
	if o.GPGKey == "" {
		return nil, nil //nolint:nilnil // nothing to do
	}
	g := &signer{to: to, name: to.name, wait: patience * s.opts.Stall}
	identity, err := o.identity()
	switch {
	case err != nil:
		return nil, err
	case identity != nil:
		g.name = identity
	}
	switch to.transport {
	case docker.Transport.Name():
		if u, err := docker.SignatureStorageBaseURL(sys, to.ImageReference, true); err != nil {
			return nil, fmt.Errorf("where signatures go: %w", err)
		} else if u.Scheme != "file" {
			return nil, hint.New(fmt.Errorf("signatures cannot be written to %s", u), "set lookaside-staging: file:///DIR in ~/.config/containers/registries.d")
		}
	case "dir":
	default:
		return nil, fmt.Errorf("%s keeps no signatures: %w", to.transport, ErrNotSupported)
	}
	if g.name == nil || reference.IsNameOnly(g.name) {
		return nil, hint.New(fmt.Errorf("%s does not say what name the signature is for", to.text), "--sign-identity REGISTRY/NAME:TAG")
	}
	g.mech, err = newGPG(ctx, o.GPGKey, o.Passphrase, s.opts.UID)
	return g, err
}

// sign signs the manifest m and, if it is a list, those of its images that are
// there.
func (g *signer) sign(ctx context.Context, m []byte, sys *types.SystemContext) error {
	if err := g.one(ctx, m, nil, sys); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	mime := manifest.GuessMIMEType(m)
	if !manifest.MIMETypeIsMultiImage(mime) {
		return nil
	}
	list, err := manifest.ListFromBlob(m, mime)
	if err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	for _, d := range list.Instances() {
		one, err := g.fetch(ctx, d, sys)
		if err != nil && (errors.Is(err, os.ErrNotExist) || code(err.Error(), "manifest unknown")) {
			continue // a list may name what was not copied
		}
		if err != nil {
			return fmt.Errorf("sign %s: %w", d, err)
		}
		if err := g.one(ctx, one, &d, sys); err != nil {
			return fmt.Errorf("sign: %w", err)
		}
	}
	return nil
}

// one signs one manifest; instance is its digest if it is part of a list.
func (g *signer) one(ctx context.Context, m []byte, instance *digest.Digest, sys *types.SystemContext) error {
	d, err := manifest.Digest(m)
	if err != nil {
		return err
	}
	if instance != nil && *instance != d {
		return fmt.Errorf("%w manifest: it is %s, not %s", ErrInvalid, d, *instance)
	}
	sig, err := signature.SignDockerManifest(m, g.name.String(), g.mech, g.mech.key)
	if err != nil {
		return err
	}
	if g.dir != "" {
		return lookaside(g.dir, g.to.name, d, sig)
	}
	if g.to.transport == "dir" {
		return intoDir(g.to.path, sig, instance)
	}
	ctx, dog := watch(ctx, g.wait)
	defer dog.stop()
	src, err := g.to.NewImageSource(ctx, sys)
	if err != nil {
		return dog.explain(err)
	}
	have, err := src.GetSignatures(ctx, &d)
	if err = errors.Join(err, src.Close()); err != nil {
		return dog.explain(err)
	}
	dest, err := g.to.NewImageDestination(ctx, sys)
	if err != nil {
		return dog.explain(err)
	}
	err = dest.PutSignatures(ctx, append(have, sig), &d)
	return errors.Join(dog.explain(err), dest.Close())
}

// fetch reads the manifest of one image of a list.
func (g *signer) fetch(ctx context.Context, d digest.Digest, sys *types.SystemContext) ([]byte, error) {
	ctx, dog := watch(ctx, g.wait)
	defer dog.stop()
	src, err := g.to.NewImageSource(ctx, sys)
	if err != nil {
		return nil, err
	}
	m, _, err := src.GetManifest(ctx, &d)
	return m, errors.Join(err, src.Close())
}

// intoDir adds a signature where the transport dir looks for it.
func intoDir(dir string, sig []byte, instance *digest.Digest) error {
	prefix := "signature-"
	if instance != nil {
		prefix = instance.Encoded() + "." + prefix
	}
	return nextFile(filepath.Join(dir, prefix), sig, 0o644)
}

// nextFile writes data to prefixN, for the first N of 1 on that is free.
func nextFile(prefix string, data []byte, mode os.FileMode) error {
	for n := 1; ; n++ {
		f, err := os.OpenFile(prefix+strconv.Itoa(n), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return err
		}
		_, err = f.Write(data)
		if err = errors.Join(err, f.Close()); err != nil {
			_ = os.Remove(f.Name())
		}
		return err
	}
}
