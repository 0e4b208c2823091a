package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"

	digest "github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/reference"
	"go.yaml.in/yaml/v3"
)

// syncRegistry is what a file says of one registry, as Skopeo's do.
type syncRegistry struct {
	Images  map[string][]string `yaml:"images"`              // tags and digests by repository; none means all tags
	ByRegex map[string]string   `yaml:"images-by-tag-regex"` // by repository
	// BySemver is refused.
	BySemver    map[string]string `yaml:"images-by-semver"`
	Credentials struct {
		Username string `yaml:"username"`
		Password string `yaml:"password"`
	} `yaml:"credentials"`
	TLSVerify *bool  `yaml:"tls-verify"`
	CertDir   string `yaml:"cert-dir"`
}

// maxSyncFile bounds a file that lists images, in bytes.
const maxSyncFile = 16 << 20

func readSyncFile(path string) (map[string]syncRegistry, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("sync: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSyncFile))
	if err != nil {
		return nil, fmt.Errorf("sync: %w", err)
	}
	out, err := parseSyncFile(b)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return out, nil
}

func parseSyncFile(b []byte) (map[string]syncRegistry, error) {
	var out map[string]syncRegistry
	dec := yaml.NewDecoder(bytes.NewReader(b))
	dec.KnownFields(true)
	if err := dec.Decode(&out); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	for registry, r := range out {
		if len(r.BySemver) > 0 {
			return nil, fmt.Errorf("images-by-semver of %s: %w", registry, ErrNotSupported)
		}
	}
	return out, nil
}

func (r *syncRegistry) remote(from Remote) Remote {
	if r.CertDir != "" {
		from.CertDir = r.CertDir
	}
	if r.TLSVerify != nil {
		skip := !*r.TLSVerify
		from.SkipVerify = &skip
	}
	if r.Credentials.Username != "" {
		from.Creds = &Credentials{User: r.Credentials.Username, Password: r.Credentials.Password}
	}
	return from
}

func (s *Store) syncFile(ctx context.Context, path string, o *SyncOptions) (items []syncItem, failed int, err error) {
	registries, err := readSyncFile(path)
	if err != nil {
		return nil, 0, err
	}
	for _, registry := range slices.Sorted(maps.Keys(registries)) {
		r := registries[registry]
		add := func(repository string, found []syncItem, err error) error {
			items = append(items, found...)
			if err != nil {
				failed++
				return notFatal(o, "docker://"+registry+"/"+repository, err)
			}
			return nil
		}
		for _, repository := range slices.Sorted(maps.Keys(r.Images)) {
			found, err := s.syncEntry(ctx, registry+"/"+repository, r.Images[repository], r.remote(o.Source), o)
			if err := add(repository, found, err); err != nil {
				return nil, failed, err
			}
		}
		for _, repository := range slices.Sorted(maps.Keys(r.ByRegex)) {
			found, err := s.syncRegex(ctx, registry+"/"+repository, r.ByRegex[repository], r.remote(o.Source), o)
			if err := add(repository, found, err); err != nil {
				return nil, failed, err
			}
		}
	}
	return items, failed, nil
}

func (s *Store) syncEntry(ctx context.Context, repository string, refs []string, remote Remote, o *SyncOptions) ([]syncItem, error) {
	named, err := reference.ParseNormalizedNamed(repository)
	if err != nil || !reference.IsNameOnly(named) {
		return nil, fmt.Errorf("sync: %q is no repository", repository)
	}
	if len(refs) == 0 {
		return s.syncRepository(ctx, repository, remote, o)
	}
	var items []syncItem
	for _, ref := range refs {
		var one reference.Named
		var err error
		if d, derr := digest.Parse(ref); derr == nil {
			one, err = reference.WithDigest(named, d)
		} else {
			one, err = reference.WithTag(named, ref)
		}
		if err != nil {
			return nil, fmt.Errorf("sync %s: %.100q: %w", repository, ref, err)
		}
		item, err := syncImage(one, remote)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	return items, nil
}

func (s *Store) syncRegex(ctx context.Context, repository, pattern string, remote Remote, o *SyncOptions) ([]syncItem, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("sync %s: images-by-tag-regex: %w", repository, err)
	}
	items, err := s.syncEntry(ctx, repository, nil, remote, o)
	return slices.DeleteFunc(items, func(i syncItem) bool {
		tagged, ok := i.from.name.(reference.Tagged)
		return !ok || !re.MatchString(tagged.Tag())
	}), err
}
