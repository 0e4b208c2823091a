package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	digest "github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/image"
)

type pushFlags struct {
	remoteFlags
	quiet, compress bool
	allTags         bool
	digestFile      string
	level           int
	retryDelay      string
	signs           outFlags
	opts            image.PushOptions
}

func (a *app) pushCmd() *cobra.Command {
	var p pushFlags
	c := &cobra.Command{
		Use: "push [flags] IMAGE [DESTINATION]", Short: "Write an image to a registry, archive or directory", Args: cobra.RangeArgs(1, 2),
		Long: "Write an image to a registry, archive or directory.\n\nDESTINATION is a name at a registry, with or without docker://, or dir:DIR, oci:DIR[:NAME],\n" +
			"oci-archive:FILE[:NAME] or docker-archive:FILE[:NAME]. Without one the image goes to the registry that its name says.\n" +
			"What the registry has already is not sent again.",
		RunE: func(cmd *cobra.Command, args []string) error {
			destination := ""
			if len(args) == 2 {
				destination = args[1]
			}
			if p.allTags && destination != "" {
				return errors.New("--all-tags pushes each image to where its name says: it takes no destination")
			}
			if p.allTags && p.digestFile != "" {
				return errors.New("--digestfile is for one image, not for --all-tags")
			}
			if err := p.finish(cmd.Flags(), destination); err != nil {
				return err
			}
			a.quiet = a.quiet || p.quiet
			if p.allTags {
				return a.pushTags(cmd.Context(), args[0], &p)
			}
			return a.push(cmd.Context(), args[0], destination, &p)
		},
	}
	f := c.Flags()
	p.flags(f, a.env.authFile)
	f.BoolVar(&p.opts.All, "all", false, "of a list of images, push all of it; by default only its image for this machine")
	f.BoolVarP(&p.allTags, "all-tags", "a", false, "push every stored image of the repository IMAGE")
	f.BoolVar(&p.compress, "compress", false, "compress the layers of dir:")
	f.Bool("disable-content-trust", true, "accepted for compatibility: there is no content trust to disable")
	f.StringSliceVar(&p.opts.EncryptionKeys, "encryption-key", nil, "encrypt layers for `METHOD:FILE`, such as jwe:key.pem")
	f.IntSliceVar(&p.opts.EncryptLayers, "encrypt-layer", nil, "encrypt only the `N`th layer, from 0; -1 is the last")
	return c
}

// flags are those of images and of lists.
func (p *pushFlags) flags(f *pflag.FlagSet, authFile string) {
	p.add(f, authFile)
	f.StringVar(&p.creds, "creds", "", "`USER:PASSWORD` for the registry")
	p.common(f)
	f.StringVar(&p.opts.Compression, "compression-format", "", "compress layers with `ALGORITHM`: gzip, zstd, zstd:chunked; by default gzip, or what the registry has")
	f.IntVar(&p.level, "compression-level", 0, "`LEVEL` of compression: 1 to 9 for gzip (default 2), 1 to 20 for zstd")
	f.BoolVar(&p.opts.ForceCompression, "force-compression", false, "reuse no layer that the registry has in another compression; the default with --compression-format")
	f.StringVarP(&p.opts.Format, "format", "f", "", "`KIND` of manifest: oci, v2s2 or, of an image, v2s1; by default what the image has")
	f.Bool("remove-signatures", false, "accepted for compatibility: signatures that an image came with are never passed on")
}

// common are those of artifacts too.
func (p *pushFlags) common(f *pflag.FlagSet) {
	f.StringVar(&p.digestFile, "digestfile", "", "write the digest of the manifest to `FILE`")
	f.BoolVarP(&p.quiet, "quiet", "q", false, "show no progress")
	f.IntVar(&p.opts.Retries, "retry", 3, "`TIMES` to try again after a network error")
	f.StringVar(&p.retryDelay, "retry-delay", "", "`TIME` between tries; by default it grows from a second")
	p.signs.addSigning(f)
}

func (p *pushFlags) finish(f *pflag.FlagSet, destination string) (err error) {
	if p.compress && !strings.HasPrefix(destination, "dir:") {
		return errors.New("--compress is for a destination dir:DIR only")
	}
	if p.opts.Remote, err = p.remote(f); err != nil {
		return err
	}
	p.opts.CompressDir = p.compress
	if p.opts.Compression != "" && !f.Changed("force-compression") {
		p.opts.ForceCompression = true
	}
	if p.opts.Compression == "" && (p.opts.ForceCompression || f.Changed("compression-level")) {
		p.opts.Compression = "gzip"
	}
	if f.Changed("compression-level") {
		if p.opts.Level, err = compressionLevel("--compression-level", p.level, p.opts.Compression); err != nil {
			return err
		}
	}
	if p.opts.RetryDelay, err = retryDelay(p.retryDelay); err != nil {
		return err
	}
	p.opts.Signing, err = p.signs.signing()
	return err
}

func retryDelay(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("invalid --retry-delay %q: use a duration like 2s", text)
	}
	return d, nil
}

func (a *app) push(ctx context.Context, ref, destination string, p *pushFlags) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	d, err := s.Push(ctx, ref, destination, p.opts)
	if err != nil {
		return err
	}
	a.noteAs(audit.Push, ref, cmp.Or(destination, ref))
	return p.writeDigest(d)
}

// pushTags stops at the first image that cannot be pushed.
func (a *app) pushTags(ctx context.Context, repository string, p *pushFlags) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	names, err := s.TagsOf(repository)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := a.push(ctx, name, "", p); err != nil {
			return err
		}
	}
	return nil
}

// writeDigest is --digestfile.
func (p *pushFlags) writeDigest(d digest.Digest) error {
	if p.digestFile == "" {
		return nil
	}
	if err := os.WriteFile(p.digestFile, []byte(d.String()), 0o644); err != nil {
		return fmt.Errorf("--digestfile: %w", err)
	}
	return nil
}
