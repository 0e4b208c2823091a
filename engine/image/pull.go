package image

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
)

// Policy says when an image that is stored is fetched again.
type Policy string

// The pull policies, as in Podman.
const (
	PullAlways  Policy = "always"
	PullMissing Policy = "missing"
	PullNever   Policy = "never"
	PullNewer   Policy = "newer"
)

// PullOptions say how to reach a registry and which image to take.
type PullOptions struct {
	Policy Policy // "" means PullAlways
	Remote Remote

	OS, Arch, Variant string // "" means this machine's

	// AllTags fetches every image of the repository.
	AllTags bool

	// DecryptionKeys are for encrypted layers: FILE[:PASSPHRASE].
	DecryptionKeys []string

	Retries    int           // after the first try
	RetryDelay time.Duration // 0 means growing from 1 s
}

// Remote is how to talk to a registry.
type Remote struct {
	AuthFile   string
	CertDir    string
	Creds      *Credentials
	SkipVerify *bool  // nil leaves it to registries.conf
	Anonymous  bool   // whatever credentials are stored
	Token      string // a bearer token in place of credentials
	DaemonHost string // where docker-daemon: listens; "" is the usual socket
}

// Credentials are a user's for one registry.
type Credentials struct{ User, Password string }

func (r Remote) apply(sys *types.SystemContext) {
	sys.AuthFilePath, sys.DockerCertPath = r.AuthFile, r.CertDir
	if r.Creds != nil {
		sys.DockerAuthConfig = &types.DockerAuthConfig{Username: r.Creds.User, Password: r.Creds.Password}
	}
	if r.Anonymous {
		sys.DockerAuthConfig = &types.DockerAuthConfig{}
	}
	sys.DockerBearerRegistryToken = r.Token
	sys.DockerDaemonHost, sys.DockerDaemonCertPath = r.DaemonHost, r.CertDir
	if r.SkipVerify != nil {
		sys.DockerDaemonInsecureSkipTLSVerify = *r.SkipVerify
		sys.DockerInsecureSkipTLSVerify = types.NewOptionalBool(*r.SkipVerify)
		sys.OCIInsecureSkipTLSVerify = *r.SkipVerify
	}
}

// Pull fetches what name says and returns the image IDs: one, except for
// archives with several images and for all tags of a repository.
func (s *Store) Pull(ctx context.Context, name string, opts PullOptions) ([]string, error) {
	if opts.AllTags {
		return s.pullTags(ctx, name, opts)
	}
	if t, rest, ok := strings.Cut(name, ":"); ok && t != "docker" {
		if from, known := transports[t]; known {
			return s.pullFrom(ctx, from, rest, opts)
		}
		if t == transportOwn {
			return nil, hint.New(fmt.Errorf("pull %s: %w: it is Burrow's own store", name, ErrNotSupported), "burrow tag "+rest+" NAME gives what is stored another name")
		}
		if isTransport(t) {
			return nil, fmt.Errorf("transport %q: %w", t, ErrNotSupported)
		}
	}
	sys, err := s.systemFor(opts)
	if err != nil {
		return nil, err
	}
	candidates, err := resolve(sys, name)
	if err != nil {
		if id, done, _ := s.pullLocal(ctx, name, nil, opts.Policy); done {
			return []string{id}, nil // an ID, which registries do not have
		}
		return nil, err
	}
	id, done, err := s.pullLocal(ctx, name, candidates, opts.Policy)
	var errs []error
	if errors.Is(err, ErrNotInPlace) && opts.Policy == PullMissing && !s.ownConf() {
		errs, err = []error{err}, nil // stores that are there for Podman are no reason not to pull
	}
	if done || err != nil {
		return []string{id}, err
	}
	candidates, remember, err := s.settleName(sys, name, candidates)
	if err != nil {
		return nil, fmt.Errorf("pull: %w", err)
	}
	for _, c := range candidates {
		id, err := s.pullOne(ctx, sys, c, opts)
		if err == nil {
			remember()
			if short := strings.TrimPrefix(name, "docker://"); s.opts.Notice != nil && !strings.HasPrefix(c.String(), short) {
				fmt.Fprintf(s.opts.Notice, "Resolved %q as %s\n", short, c)
			}
			return []string{id}, nil
		}
		errs = append(errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// pullTags fetches all tags of a repository, and returns what it has got even
// if one cannot be fetched.
func (s *Store) pullTags(ctx context.Context, name string, opts PullOptions) ([]string, error) {
	if t, _, ok := strings.Cut(name, ":"); ok && (transports[t] != nil || isTransport(t)) {
		return nil, fmt.Errorf("all tags of %s: %w: it is no repository", name, ErrNotSupported)
	}
	repository, tags, err := s.RemoteTags(ctx, name, opts.Remote)
	if err != nil {
		return nil, err
	}
	opts.AllTags = false
	var ids []string
	for _, tag := range tags {
		got, err := s.Pull(ctx, repository+":"+tag, opts)
		if err != nil {
			return ids, err
		}
		ids = append(ids, got...)
	}
	return ids, nil
}

func (s *Store) systemFor(opts PullOptions) (*types.SystemContext, error) {
	sys, err := s.remoteSystem(opts.Remote)
	if err != nil {
		return nil, err
	}
	sys.OSChoice, sys.ArchitectureChoice, sys.VariantChoice = opts.OS, opts.Arch, opts.Variant
	return sys, nil
}

// pullLocal answers without a registry where the policy allows it.
func (s *Store) pullLocal(ctx context.Context, name string, candidates []reference.Named, policy Policy) (id string, done bool, err error) {
	switch policy {
	case "", PullAlways, PullNewer:
		return "", false, nil
	case PullMissing, PullNever:
	default:
		return "", false, fmt.Errorf("unknown pull policy %q", string(policy))
	}
	for _, ref := range append([]string{strings.TrimPrefix(name, "docker://")}, texts(candidates)...) {
		p, how, err := plan.Find(s.dirs, ref)
		switch {
		case err == nil && p.Instances == nil && p.Additional == nil && !how.Alias:
			return p.ID, true, nil
		case err == nil && p.Instances != nil && !how.Alias:
			if f, err := s.lookupImage(ref); err == nil {
				return f.img.ID, true, nil
			}
		case err == nil || errors.Is(err, plan.ErrNotFound):
			if id, err := s.Adopt(ctx, ref); !errors.Is(err, ErrNotFound) {
				return id, err == nil, err
			}
		}
	}
	if policy == PullNever {
		return "", false, fmt.Errorf("%w: %q, and the policy is never to pull", ErrNotFound, name)
	}
	return "", false, nil
}

func texts(refs []reference.Named) []string {
	out := make([]string, len(refs))
	for i, r := range refs {
		out[i] = r.String()
	}
	return out
}

func (s *Store) pullOne(ctx context.Context, sys *types.SystemContext, name reference.Named, opts PullOptions) (string, error) {
	from, err := docker.NewReference(name)
	if err != nil {
		return "", fmt.Errorf("%w: %q: %w", plan.ErrName, name, err)
	}
	if opts.Policy == PullNewer {
		if id, same := s.upToDate(ctx, sys, name, from); same {
			return id, nil
		}
	}
	crypt, err := newCrypt(nil, nil, opts.DecryptionKeys)
	if err != nil {
		return "", err
	}
	again := retry{left: opts.Retries, delay: opts.RetryDelay}
	for {
		id, err := s.fetchFrom(ctx, guarded{ImageReference: from, stall: s.opts.Stall, decrypt: crypt.decrypt}, sys, []string{name.String()})
		if err == nil {
			return id, nil
		}
		if !again.worth(err) {
			return "", explain("pull", name.String(), reference.Domain(name), err)
		}
		s.log.Warn("pull failed, trying again", slog.String("image", name.String()), slog.Any("error", err), slog.Duration("delay", again.next))
		if err := again.wait(ctx); err != nil {
			return "", err
		}
	}
}

// upToDate says whether the registry has the very manifest that is stored. If
// it cannot be asked, the stored image is good enough.
func (s *Store) upToDate(ctx context.Context, sys *types.SystemContext, name reference.Named, from types.ImageReference) (string, bool) {
	p, how, err := plan.Find(s.dirs, name.String())
	if err != nil || p.Instances != nil || p.Additional != nil || how.Alias { // of a list that was made here, its image counts
		f, err := s.lookupImage(name.String())
		if err != nil {
			return "", false
		}
		if p, err = s.planOf(ctx, f); err != nil {
			return "", false
		}
	}
	src, err := guarded{ImageReference: from, stall: s.opts.Stall}.NewImageSource(ctx, sys)
	if err != nil {
		return p.ID, true
	}
	defer src.Close()
	m, mime, err := src.GetManifest(ctx, nil)
	if err != nil {
		return p.ID, true
	}
	if manifest.MIMETypeIsMultiImage(mime) {
		list, err := manifest.ListFromBlob(m, mime)
		if err != nil {
			return p.ID, false
		}
		instance, err := list.ChooseInstance(sys)
		return p.ID, err == nil && instance.String() == p.Digest
	}
	d, err := manifest.Digest(m)
	return p.ID, err == nil && d.String() == p.Digest
}

// resolve returns the full names that name may stand for at registries.
func resolve(sys *types.SystemContext, name string) ([]reference.Named, error) {
	name = strings.TrimPrefix(name, "docker://")
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, badName(name)
	}
	if domain, _, ok := strings.Cut(name, "/"); ok && isRegistry(domain) {
		return []reference.Named{untag(named)}, nil
	}
	repo, rest := name, ""
	if at := strings.IndexAny(name, ":@"); at >= 0 {
		repo, rest = name[:at], name[at:]
	}
	alias, _, err := sysregistriesv2.ResolveShortNameAlias(sys, repo)
	if err != nil {
		return nil, fmt.Errorf("read registries.conf: %w", err)
	}
	if alias != nil {
		return parseAll(alias.String() + rest)
	}
	search, err := searchList(sys)
	if err != nil {
		return nil, err
	}
	for i := range search {
		search[i] += "/" + name
	}
	return parseAll(search...)
}

func parseAll(names ...string) ([]reference.Named, error) {
	out := make([]reference.Named, len(names))
	for i, n := range names {
		named, err := reference.ParseNormalizedNamed(n)
		if err != nil {
			return nil, badName(n)
		}
		out[i] = untag(named)
	}
	return out, nil
}

// untag drops the tag beside a digest, and adds "latest" where both miss.
func untag(named reference.Named) reference.Named {
	if d, ok := named.(reference.Digested); ok {
		if c, err := reference.WithDigest(reference.TrimNamed(named), d.Digest()); err == nil {
			return c
		}
	}
	return reference.TagNameOnly(named)
}
