package image

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	imgspec "github.com/opencontainers/image-spec/specs-go/v1"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/compression"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/internal/hint"
)

// Output is how an image is written.
type Output struct {
	// Format is the kind of manifest: "" for what the image has, "oci", "v2s2"
	// or "v2s1".
	Format string
	// Compression of layers: "" for gzip where it is usual, "gzip", "zstd" or
	// "zstd:chunked".
	Compression string
	Level       *int // of compression; nil is gzipLevel, or the choice of another algorithm
	// ForceCompression refuses to reuse what is at the registry in another
	// compression.
	ForceCompression bool
	// CompressDir and DecompressDir compress the layers of dir:, or the opposite.
	CompressDir, DecompressDir bool
	// AcceptUncompressed leaves layers in oci: as they are.
	AcceptUncompressed bool
	// PreserveDigests makes it an error if the manifest has to be changed.
	PreserveDigests bool
	// Precompute makes each blob before it is sent, so that it is not sent if the
	// registry has it.
	Precompute bool
	// SharedBlobs is a directory for the blobs of several OCI layouts.
	SharedBlobs string
	// AdditionalTags are further names in a docker-archive.
	AdditionalTags []string
	// EncryptionKeys encrypt layers, those of EncryptLayers by their number
	// (-1 is the last), all if it is empty. A key is METHOD:FILE.
	EncryptionKeys []string
	EncryptLayers  []int
	Signing
}

// Signing says what an image is signed with: nothing, if it is zero.
type Signing struct {
	// SigstoreKey is the file of a private key.
	SigstoreKey string
	// GPGKey is the fingerprint or address of a key in the user's GnuPG home.
	GPGKey     string
	Passphrase []byte // of the key; nil leaves it to sigstore's default or the GnuPG agent
	// Identity is the name that the signature is for; "" means that of the
	// destination.
	Identity string
}

// gzipLevel is the level of layers in gzip. With the usual one a Debian image is 6 %
// smaller and takes half as much processor time again, which is most of a push.
const gzipLevel = 2

// apply sets what the options mean for a destination, and returns the media type
// of the manifest, "" for the image's own.
func (o *Output) apply(sys *types.SystemContext) (mime string, err error) {
	if o.PreserveDigests && (o.Format != "" || o.Compression != "" || len(o.EncryptionKeys) > 0) {
		return "", errors.New("what keeps its digest keeps its format, compression and encryption")
	}
	switch o.Format {
	case "":
	case "oci":
		mime = imgspec.MediaTypeImageManifest
	case "v2s2":
		mime = manifest.DockerV2Schema2MediaType
	case "v2s1":
		mime = manifest.DockerV2Schema1SignedMediaType
	default:
		return "", hint.New(fmt.Errorf("manifest format %q: %w", o.Format, ErrNotSupported), "use --format oci or v2s2")
	}
	if o.Compression != "" {
		a, err := compression.AlgorithmByName(o.Compression)
		if err != nil || !knownCompression(a.Name()) {
			return "", hint.New(fmt.Errorf("compression %q: %w", o.Compression, ErrNotSupported), "use gzip, zstd or zstd:chunked")
		}
		sys.CompressionFormat = &a
	}
	sys.CompressionLevel = o.Level
	if o.Level == nil && (o.Compression == "" || o.Compression == compression.Gzip.Name()) {
		level := gzipLevel
		sys.CompressionLevel = &level
	}
	sys.DirForceCompress, sys.DirForceDecompress = o.CompressDir, o.DecompressDir
	sys.OCIAcceptUncompressedLayers, sys.OCISharedBlobDirPath = o.AcceptUncompressed, o.SharedBlobs
	sys.DockerRegistryPushPrecomputeDigests = o.Precompute
	for _, t := range o.AdditionalTags {
		named, err := reference.ParseNormalizedNamed(t)
		if err != nil {
			return "", badName(t)
		}
		tagged, ok := named.(reference.NamedTagged)
		if !ok {
			return "", fmt.Errorf("additional tag %q: it is no name with a tag", t)
		}
		sys.DockerArchiveAdditionalTags = append(sys.DockerArchiveAdditionalTags, tagged)
	}
	return mime, nil
}

// suits fails if an option means nothing at the place.
func (o *Output) suits(to *place) error {
	for _, c := range []struct {
		set  bool
		what string
		only []string
	}{
		{len(o.AdditionalTags) > 0, "additional tags", []string{transportArchive}},
		{o.CompressDir || o.DecompressDir, "compressed or decompressed layers", []string{"dir"}},
		{o.AcceptUncompressed, "layers left uncompressed", []string{"oci", transportLayouts}},
		{o.SharedBlobs != "", "a shared directory for blobs", []string{"oci", transportLayouts}},
		{o.Precompute, "layers made before they are sent", []string{"docker"}},
	} {
		if c.set && !slices.Contains(c.only, to.transport) {
			return fmt.Errorf("%s: for %s: only", c.what, strings.Join(c.only, ": and "))
		}
	}
	return nil
}

func knownCompression(name string) bool {
	return name == compression.Gzip.Name() || name == compression.Zstd.Name() || name == compression.ZstdChunked.Name()
}

// identity is the name to sign for, nil for the destination's.
func (s *Signing) identity() (reference.Named, error) {
	if s.Identity == "" {
		return nil, nil //nolint:nilnil // what the image library takes for none
	}
	named, err := reference.ParseNamed(s.Identity)
	if err != nil {
		return nil, hint.New(fmt.Errorf("identity %q: %w", s.Identity, err), "give a full name: REGISTRY/NAME[:TAG]")
	}
	return named, nil
}
