package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"
)

// SignOptions say how an image at a registry is signed.
type SignOptions struct {
	Remote Remote
	Key    string // fingerprint or address of a key in the user's GnuPG home
	// Passphrase of the key; nil leaves it to the GnuPG agent.
	Passphrase []byte
	// Directory for signatures; "" is where registries.d has them written.
	Directory string
	// All signs the images of a list, too.
	All bool
}

// Sign signs the image at a registry. The image stays there, and as it is.
func (s *Store) Sign(ctx context.Context, ref string, o SignOptions) error {
	if !strings.HasPrefix(ref, "docker://") {
		if HasTransport(ref) {
			return fmt.Errorf("sign %s: %w: it is at no registry", ref, ErrNotSupported)
		}
		ref = "docker://" + ref
	}
	p, err := parsePlace(ref)
	if err != nil {
		return placeError("image", ref, err)
	}
	sys, err := s.remoteSystem(o.Remote)
	if err != nil {
		return err
	}
	g := &signer{to: p, name: p.name, dir: o.Directory, wait: patience * s.opts.Stall}
	if g.dir == "" {
		g, err = s.signer(ctx, p, sys, &Signing{GPGKey: o.Key, Passphrase: o.Passphrase})
	} else {
		g.mech, err = newGPG(ctx, o.Key, o.Passphrase, s.opts.UID)
	}
	if err != nil {
		return err
	}
	if err := s.signEach(ctx, g, sys, o.All); err != nil {
		return p.explain("sign", simplify(err))
	}
	return nil
}

func (s *Store) signEach(ctx context.Context, g *signer, sys *types.SystemContext, all bool) error {
	src, err := guarded{ImageReference: g.to.ImageReference, stall: s.opts.Stall}.NewImageSource(ctx, sys)
	if err != nil {
		return err
	}
	m, mime, err := src.GetManifest(ctx, nil)
	if err = errors.Join(err, src.Close()); err != nil {
		return err
	}
	if all && manifest.MIMETypeIsMultiImage(mime) {
		return g.sign(ctx, m, sys)
	}
	return g.one(ctx, m, nil, sys)
}

// lookaside adds a signature to a directory, where registries.d says that those of
// an image are: REPOSITORY@sha256=…/signature-N.
func lookaside(dir string, name reference.Named, d digest.Digest, sig []byte) error {
	dir = filepath.Join(dir, fmt.Sprintf("%s@%s=%s", reference.Path(name), d.Algorithm(), d.Encoded()))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return nextFile(filepath.Join(dir, "signature-"), sig, 0o644)
}
