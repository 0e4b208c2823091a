package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage/pkg/configfile"

	"github.com/burrow-run/burrow/internal/hint"
	hostsys "github.com/burrow-run/burrow/internal/sys"
)

// policy is the user's or the system's policy.json. Where there is none every
// image is accepted, as it is on a machine without container tools.
func policy(sys *types.SystemContext) (*signature.Policy, error) {
	file := ""
	if sys != nil {
		file = sys.SignaturePolicyPath
	}
	text, err := policyIn(file)
	if err != nil {
		return nil, err
	}
	p, err := signature.NewPolicyFromBytes(text)
	if err != nil {
		return nil, fmt.Errorf("read signature policy: %w", err)
	}
	return p, nil
}

// policyIn reads a file, or if that is "" the user's or the system's policy.json: one that
// somebody else could have written is none.
func policyIn(file string) ([]byte, error) {
	if file != "" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read signature policy: %w", err)
		}
		defer f.Close()
		return ownPolicy(f)
	}
	for item, err := range configfile.Read(policyFile()) {
		if errors.Is(err, configfile.ErrConfigFileNotFound) {
			return []byte(acceptAll), nil
		}
		if err != nil {
			return nil, fmt.Errorf("read signature policy: %w", err)
		}
		f, ok := item.Reader.(*os.File)
		if !ok {
			return nil, errors.New("bug: a signature policy that is no file")
		}
		return ownPolicy(f)
	}
	return nil, errors.New("bug: no policy and no error")
}

// maxPolicy bounds a policy, in bytes.
const maxPolicy = 4 << 20

func ownPolicy(f *os.File) ([]byte, error) {
	if err := hostsys.CheckWriters(f); err != nil {
		var foreign *hostsys.ForeignError
		if errors.As(err, &foreign) {
			err = hint.New(err, foreign.Advice)
		}
		return nil, fmt.Errorf("read signature policy %s: %w", f.Name(), err)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxPolicy+1))
	if err == nil && len(b) > maxPolicy {
		err = errors.New("the file is too long")
	}
	if err != nil {
		return nil, fmt.Errorf("read signature policy: %w", err)
	}
	return b, nil
}

// policyContext asks that policy.
func (s *Store) policyContext(sys *types.SystemContext) (*signature.PolicyContext, error) {
	p, err := policy(sys)
	if err != nil {
		return nil, err
	}
	return signature.NewPolicyContext(p)
}

// judge returns the policy by which src is to be copied. The image library sees
// sigstore's signatures only of sources that are its own, not of guarded ones;
// where a policy asks for them it is asked here, and src may from then on
// deliver nothing but the manifests that passed.
func (s *Store) judge(ctx context.Context, src *guarded, sys *types.SystemContext) (*signature.PolicyContext, error) {
	p, err := policy(sys)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("read signature policy: %w", err)
	}
	pc, err := signature.NewPolicyContext(p)
	if err != nil || !bytes.Contains(text, []byte(`"sigstoreSigned"`)) {
		return pc, err
	}
	defer func() { _ = pc.Destroy() }()
	if src.only, err = s.admit(ctx, pc, src, sys); err != nil {
		return nil, err
	}
	return policyForSave()
}

// admit returns the digests of the manifest of src, and, if that is a list, of
// the one chosen from it, which is what must be signed.
func (s *Store) admit(ctx context.Context, pc *signature.PolicyContext, g *guarded, sys *types.SystemContext) ([]digest.Digest, error) {
	ctx, dog := watch(ctx, patience*s.opts.Stall)
	defer dog.stop()
	src, err := g.ImageReference.NewImageSource(ctx, sys)
	if err != nil {
		return nil, dog.explain(err)
	}
	defer src.Close()
	judged := image.UnparsedInstance(src, nil)
	m, mime, err := judged.Manifest(ctx)
	if err != nil {
		return nil, dog.explain(err)
	}
	if err := checkManifest(m, mime); err != nil {
		return nil, err
	}
	d, err := manifest.Digest(m)
	if err != nil {
		return nil, err
	}
	passed := []digest.Digest{d}
	if manifest.MIMETypeIsMultiImage(mime) {
		list, err := manifest.ListFromBlob(m, mime)
		if err != nil {
			return nil, fmt.Errorf("%w manifest: %w", ErrInvalid, err)
		}
		chosen, err := list.ChooseInstance(sys)
		if err != nil {
			return nil, err
		}
		passed = append(passed, chosen)
		judged = image.UnparsedInstance(src, &chosen)
	}
	if ok, err := pc.IsRunningImageAllowed(ctx, judged); !ok || err != nil {
		return nil, fmt.Errorf("image rejected: %w", dog.explain(err))
	}
	return passed, nil
}

// manifestAt reads the manifest at ref, to be shown.
func (s *Store) manifestAt(ctx context.Context, ref guarded, sys *types.SystemContext) ([]byte, string, error) {
	src, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return nil, "", err
	}
	defer src.Close()
	b, mime, err := src.GetManifest(ctx, nil)
	return b, manifest.NormalizedMIMEType(mime), err
}
