package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	digest "github.com/opencontainers/go-digest"
	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage"

	"github.com/burrow-run/burrow/internal/hint"
)

// Entry is what a list says of one of its images. What is empty is left as it
// is, or is what the image itself says.
type Entry struct {
	OS, Arch, Variant, OSVersion string

	OSFeatures  []string
	Features    []string // only Docker's lists have them
	Annotations map[string]string
}

func (e *Entry) platform() bool {
	return e.OS+e.Arch+e.Variant+e.OSVersion != "" || len(e.OSFeatures)+len(e.Features) > 0
}

// AddOptions say what is added to a list.
type AddOptions struct {
	// All adds every image of what is a list itself, not only that for this
	// machine or the platform that Entry says.
	All    bool
	Entry  Entry
	Remote Remote
}

// member is an image about to be put into a list.
type member struct {
	imgspec.Descriptor
	from     string
	features []string
}

// put adds m to x, in place of what has the same digest.
func (x *index) put(m member) {
	if x.From == nil {
		x.From = map[digest.Digest]string{}
	}
	x.remove(m.Digest)
	x.Index.Manifests = append(x.Index.Manifests, m.Descriptor)
	x.From[m.Digest] = m.from
	x.setFeatures(m.Digest, m.features)
}

func (x *index) setFeatures(d digest.Digest, features []string) {
	delete(x.Features, d)
	if len(features) == 0 {
		return
	}
	if x.Features == nil {
		x.Features = map[digest.Digest][]string{}
	}
	x.Features[d] = features
}

// remove takes an image out of x, and says whether it was there.
func (x *index) remove(d digest.Digest) bool {
	n := len(x.Index.Manifests)
	x.Index.Manifests = slices.DeleteFunc(x.Index.Manifests, func(m imgspec.Descriptor) bool { return m.Digest == d })
	delete(x.From, d)
	delete(x.Features, d)
	return len(x.Index.Manifests) < n
}

// AddToIndex adds images to the list ref and returns its ID.
func (s *Store) AddToIndex(ctx context.Context, ref string, images []string, opts AddOptions) (string, error) {
	if _, err := s.index(ref); err != nil {
		return "", err // before anything is fetched
	}
	members, err := s.membersOf(ctx, images, opts)
	if err != nil {
		return "", err
	}
	return s.changeIndex(ctx, ref, func(x *index) error {
		for _, m := range members {
			x.put(m)
		}
		return nil
	})
}

// membersOf reads what a list is to say of images.
func (s *Store) membersOf(ctx context.Context, images []string, opts AddOptions) ([]member, error) {
	var all []member
	for _, text := range images {
		members, err := s.members(ctx, text, opts)
		if err != nil {
			return nil, fmt.Errorf("add %s: %w", text, err)
		}
		all = append(all, members...)
	}
	if len(all) > 1 && opts.Entry.platform() {
		return nil, errors.New("a platform can be given to one image only, and these are several")
	}
	for i := range all {
		opts.Entry.apply(&all[i].Descriptor)
		if opts.Entry.Features != nil {
			all[i].features = opts.Entry.Features
		}
	}
	return all, nil
}

// apply changes what d says of its image.
func (e *Entry) apply(d *imgspec.Descriptor) {
	for key, value := range e.Annotations {
		annotate(&d.Annotations, key, value)
	}
	if !e.platform() {
		return
	}
	p := imgspec.Platform{}
	if d.Platform != nil {
		p = *d.Platform
	}
	for _, f := range []struct {
		to   *string
		text string
	}{{&p.OS, e.OS}, {&p.Architecture, e.Arch}, {&p.Variant, e.Variant}, {&p.OSVersion, e.OSVersion}} {
		if f.text != "" {
			*f.to = f.text
		}
	}
	if e.OSFeatures != nil {
		p.OSFeatures = e.OSFeatures
	}
	d.Platform = &p
}

func annotate(to *map[string]string, key, value string) {
	if *to == nil {
		*to = map[string]string{}
	}
	(*to)[key] = value
}

// members finds the image or images that text names: TRANSPORT:REST, what is
// stored, or else what a registry has.
func (s *Store) members(ctx context.Context, text string, opts AddOptions) ([]member, error) {
	sys, err := s.remoteSystem(opts.Remote)
	if err != nil {
		return nil, err
	}
	sys.OSChoice, sys.ArchitectureChoice, sys.VariantChoice = opts.Entry.OS, opts.Entry.Arch, opts.Entry.Variant
	transport, rest, _ := strings.Cut(text, ":")
	switch {
	case transport == transportOwn:
		return s.storedMembers(rest, opts.All, sys)
	case transport == transportStore: // it may keep layers in another form than its manifests say
		return nil, hint.New(fmt.Errorf("transport %q: %w: it is Podman's store", transport, ErrNotSupported),
			"burrow pull "+text+", and add what that stores; Burrow's own store is "+transportOwn+":NAME")
	case transport == "docker" && strings.HasPrefix(rest, "//"):
		return s.remoteMembers(ctx, text, opts.All, sys)
	case transport == "dir", transport == "oci", transport == "oci-archive", transport == "docker-archive":
		return s.fileMembers(ctx, transport, rest, opts.All, sys)
	case isTransport(transport):
		return nil, fmt.Errorf("transport %q: %w", transport, ErrNotSupported)
	}
	f, err := s.lookup(text)
	if errors.Is(err, ErrNotFound) || err == nil && s.onlyPart(f, opts) {
		return s.remoteMembers(ctx, text, opts.All, sys)
	}
	return s.storedMembers(text, opts.All, sys)
}

// onlyPart says that a stored image is one of a registry's list, and others of
// that are meant.
func (s *Store) onlyPart(f *found, opts AddOptions) bool {
	if f.in != s || isIndex(f.img) || f.name == "" || !opts.All && !opts.Entry.platform() {
		return false
	}
	for _, key := range f.img.BigDataNames {
		if !strings.HasPrefix(key, storage.ImageDigestManifestBigDataNamePrefix+"-") {
			continue
		}
		b, err := s.store.ImageBigData(f.img.ID, key)
		if err == nil && manifest.MIMETypeIsMultiImage(manifest.GuessMIMEType(b)) {
			return true
		}
	}
	return false
}

// storedMembers are images of the store, or what a stored list has.
func (s *Store) storedMembers(ref string, all bool, sys *types.SystemContext) ([]member, error) {
	f, err := s.own(ref)
	if err != nil {
		return nil, err
	}
	if isIndex(f.img) {
		x, err := s.readIndex(f)
		if err != nil {
			return nil, err
		}
		return x.members(all, sys)
	}
	r, err := s.read(f.img)
	if err != nil {
		return nil, err
	}
	c := r.config
	return []member{{Descriptor: imgspec.Descriptor{
		MediaType: manifest.GuessMIMEType(r.manifest), Digest: digest.FromBytes(r.manifest), Size: int64(len(r.manifest)),
		Platform: &imgspec.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant, OSVersion: c.OSVersion, OSFeatures: c.OSFeatures},
	}}}, nil
}

// members are the images of x, or that of one platform.
func (x *index) members(all bool, sys *types.SystemContext) ([]member, error) {
	var chosen digest.Digest
	if !all {
		var err error
		if chosen, err = x.choose(sys); err != nil {
			return nil, fmt.Errorf("choose an image of the list: %w", err)
		}
	}
	var out []member
	for _, d := range x.Index.Manifests {
		if all || d.Digest == chosen {
			out = append(out, member{d, x.From[d.Digest], x.Features[d.Digest]})
		}
	}
	return out, nil
}

// remoteMembers asks the registries that name may stand for.
func (s *Store) remoteMembers(ctx context.Context, name string, all bool, sys *types.SystemContext) ([]member, error) {
	candidates, err := resolve(sys, name)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, c := range candidates {
		ref, err := docker.NewReference(c)
		if err != nil {
			return nil, badName(name)
		}
		from := func(d digest.Digest) string { return "docker://" + c.Name() + "@" + d.String() }
		members, err := s.readMembers(ctx, ref, from, all, sys)
		if err == nil {
			return members, nil
		}
		errs = append(errs, explain("read", c.String(), reference.Domain(c), err))
	}
	return nil, errors.Join(errs...)
}

func (s *Store) fileMembers(ctx context.Context, transport, rest string, all bool, sys *types.SystemContext) ([]member, error) {
	path, name, named := strings.Cut(rest, ":")
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	from := transport + ":" + path
	if named {
		from += ":" + name
	}
	ref, done, err := s.open(ctx, from)
	if err != nil {
		return nil, err
	}
	defer done()
	return s.readMembers(ctx, ref, func(digest.Digest) string { return from }, all, sys)
}

// open is the place that TRANSPORT:REST names, and what is to be called when it
// is used no more.
func (s *Store) open(ctx context.Context, text string) (ref types.ImageReference, done func(), err error) {
	done = func() {}
	transport, rest, _ := strings.Cut(text, ":")
	path, name, _ := strings.Cut(rest, ":")
	switch transport {
	case "docker":
		ref, err = docker.ParseReference(rest)
	case "dir":
		ref, err = directory.NewReference(path)
	case "oci":
		ref, err = layout.NewReference(path, name)
	case "docker-archive":
		if ref, done, err = s.archiveRef(ctx, rest); err != nil {
			return nil, nil, err
		}
	case "oci-archive":
		var dir string
		dir, err = s.extractLayout(ctx, path)
		if err != nil {
			return nil, nil, err
		}
		done = func() { _ = os.RemoveAll(dir) }
		ref, err = layout.NewReference(dir, name)
	default:
		err = fmt.Errorf("transport %q: %w", transport, ErrNotSupported)
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return ref, done, nil
}
