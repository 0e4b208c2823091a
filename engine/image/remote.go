package image

import (
	"context"
	"errors"
	"fmt"
	"time"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker"
	dockerarchive "go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/types"
)

// LookOptions say how to reach an image that is not in the store.
type LookOptions struct {
	Remote            Remote
	OS, Arch, Variant string // to choose from a list; "" means this machine's
	Blobs             string // a directory with the blobs of several OCI layouts
	NoTags            bool   // do not list the repository's tags

	Retries    int           // after the first try
	RetryDelay time.Duration // 0 means growing from 1 s
}

// RemoteInspection is what is said of an image elsewhere, in Skopeo's spelling.
// Strangers wrote it.
type RemoteInspection struct {
	Name          string `json:",omitempty"`
	Tag           string `json:",omitempty"`
	Digest        digest.Digest
	RepoTags      []string
	Created       *time.Time
	DockerVersion string
	Labels        map[string]string
	Architecture  string
	OS            string `json:"Os"`
	Layers        []string
	LayersData    []RemoteLayer
	Env           []string
}

// RemoteLayer is a layer as a manifest describes it.
type RemoteLayer struct {
	MIMEType    string
	Digest      digest.Digest
	Size        int64 // -1 if unknown
	Annotations map[string]string
}

// look calls fn with the image at ref, with its transport; again after errors
// that may pass, as often as the options say.
func (s *Store) look(ctx context.Context, ref string, o LookOptions, fn func(context.Context, *place, types.ImageSource, *types.SystemContext) error) error {
	p, err := parsePlace(ref)
	if err != nil {
		return placeError("image", ref, err)
	}
	sys, err := s.remoteSystem(o.Remote)
	if err != nil {
		return err
	}
	sys.OSChoice, sys.ArchitectureChoice, sys.VariantChoice = o.OS, o.Arch, o.Variant
	sys.OCISharedBlobDirPath = o.Blobs
	done, err := s.atHand(ctx, p)
	defer done()
	if err != nil {
		return fmt.Errorf("inspect %s: %w", ref, err)
	}
	if p.stored != "" {
		f, err := s.lookupImage(p.stored)
		if err != nil {
			return err
		}
		if p.ImageReference, err = f.in.source(f.img.ID); err != nil {
			return err
		}
	}
	again := retry{left: o.Retries, delay: o.RetryDelay}
	for {
		err := s.lookOnce(ctx, p, sys, fn)
		if err == nil {
			return nil
		}
		if !again.worth(err) {
			return p.explain("inspect", simplify(err))
		}
		if err := again.wait(ctx); err != nil {
			return err
		}
	}
}

func (s *Store) lookOnce(ctx context.Context, p *place, sys *types.SystemContext, fn func(context.Context, *place, types.ImageSource, *types.SystemContext) error) error {
	ctx, dog := watch(ctx, patience*s.opts.Stall)
	defer dog.stop()
	src, err := guarded{ImageReference: p.ImageReference, stall: s.opts.Stall}.NewImageSource(ctx, sys)
	if err != nil {
		return dog.explain(err)
	}
	return errors.Join(dog.explain(fn(ctx, p, src, sys)), src.Close())
}

// RawManifest returns the manifest of an image elsewhere, or the list of images,
// as it is.
func (s *Store) RawManifest(ctx context.Context, ref string, o LookOptions) (m []byte, err error) {
	err = s.look(ctx, ref, o, func(ctx context.Context, _ *place, src types.ImageSource, _ *types.SystemContext) error {
		m, _, err = image.UnparsedInstance(src, nil).Manifest(ctx)
		return err
	})
	return m, err
}

// RemoteConfig returns the configuration of an image elsewhere, as it is and as
// the OCI spells it.
func (s *Store) RemoteConfig(ctx context.Context, ref string, o LookOptions) (raw []byte, config *imgspec.Image, err error) {
	err = s.look(ctx, ref, o, func(ctx context.Context, _ *place, src types.ImageSource, sys *types.SystemContext) error {
		img, err := image.FromUnparsedImage(ctx, sys, image.UnparsedInstance(src, nil))
		if err != nil {
			return err
		}
		if raw, err = img.ConfigBlob(ctx); err != nil {
			return err
		}
		config, err = img.OCIConfig(ctx)
		return err
	})
	return raw, config, err
}

// InspectRemote describes an image elsewhere.
func (s *Store) InspectRemote(ctx context.Context, ref string, o LookOptions) (*RemoteInspection, error) {
	var out *RemoteInspection
	err := s.look(ctx, ref, o, func(ctx context.Context, p *place, src types.ImageSource, sys *types.SystemContext) error {
		top := image.UnparsedInstance(src, nil)
		m, _, err := top.Manifest(ctx)
		if err != nil {
			return err
		}
		img, err := image.FromUnparsedImage(ctx, sys, top)
		if err != nil {
			return err
		}
		if out, err = describe(ctx, img, m); err != nil {
			return err
		}
		if named := p.DockerReference(); named != nil {
			out.Name = named.Name()
		}
		if p.name == nil || o.NoTags {
			return nil
		}
		tags, err := bounded(ctx, func(ctx context.Context) ([]string, error) {
			return docker.GetRepositoryTags(ctx, sys, p.ImageReference)
		})
		if err != nil {
			// Some registries let nobody list tags.
			if text := err.Error(); code(text, "denied") || code(text, "404 page not found") {
				s.log.Warn("the registry lists no tags")
				return nil
			}
			return err
		}
		out.RepoTags = tags
		return nil
	})
	return out, err
}

func describe(ctx context.Context, img types.Image, m []byte) (*RemoteInspection, error) {
	in, err := img.Inspect(ctx)
	if err != nil {
		return nil, err
	}
	out := &RemoteInspection{
		Tag: in.Tag, RepoTags: []string{}, Created: in.Created, DockerVersion: in.DockerVersion, Labels: in.Labels,
		Architecture: in.Architecture, OS: in.Os, Layers: in.Layers, Env: in.Env,
	}
	for _, l := range in.LayersData {
		out.LayersData = append(out.LayersData, RemoteLayer(l))
	}
	out.Digest, err = manifest.Digest(m)
	return out, err
}

// ListTags is RemoteTags, again after errors that may pass.
func (s *Store) ListTags(ctx context.Context, ref string, o LookOptions) (repository string, tags []string, err error) {
	again := retry{left: o.Retries, delay: o.RetryDelay}
	for {
		repository, tags, err = s.RemoteTags(ctx, ref, o.Remote)
		if err == nil || !again.worth(err) {
			return repository, tags, err
		}
		if err := again.wait(ctx); err != nil {
			return "", nil, err
		}
	}
}

// ArchiveTags lists the names of the images in a docker-archive, @N for one that
// has none.
func (s *Store) ArchiveTags(ctx context.Context, file string) ([]string, error) {
	sys, err := s.system()
	if err != nil {
		return nil, err
	}
	path, err := s.plainArchive(ctx, file)
	if err != nil {
		return nil, err
	}
	r, err := dockerarchive.NewReader(sys, path)
	if err != nil {
		return nil, fmt.Errorf("%w archive %s: %w", ErrInvalid, file, err)
	}
	defer r.Close()
	images, err := r.List()
	if err != nil {
		return nil, fmt.Errorf("%w archive %s: %w", ErrInvalid, file, err)
	}
	var out []string
	for i, refs := range images {
		for _, ref := range refs {
			if tagged, ok := ref.DockerReference().(reference.NamedTagged); ok {
				out = append(out, tagged.String())
			} else {
				out = append(out, fmt.Sprintf("@%d", i))
			}
		}
	}
	return out, nil
}

// Delete removes an image elsewhere, as far as it can be: registries remove the
// manifest, and with it all tags that it has.
func (s *Store) Delete(ctx context.Context, ref string, o LookOptions) error {
	p, err := parsePlace(ref)
	if err != nil {
		return placeError("image", ref, err)
	}
	switch {
	case p.stored != "":
		_, err := s.Remove(ctx, p.stored, RemoveOptions{})
		return err
	case p.other != "":
		return p.writable()
	case p.transport != docker.Transport.Name() && p.transport != "oci":
		return fmt.Errorf("delete %s: %s: %w", ref, p.transport, ErrNotSupported)
	}
	sys, err := s.remoteSystem(o.Remote)
	if err != nil {
		return err
	}
	sys.OCISharedBlobDirPath = o.Blobs
	again := retry{left: o.Retries, delay: o.RetryDelay}
	for {
		ctx, dog := watch(ctx, patience*s.opts.Stall)
		err := dog.explain(p.DeleteImage(ctx, sys))
		dog.stop()
		if err == nil || !again.worth(err) {
			if err != nil {
				err = p.explain("delete", simplify(err))
			}
			return err
		}
		if err := again.wait(ctx); err != nil {
			return err
		}
	}
}
