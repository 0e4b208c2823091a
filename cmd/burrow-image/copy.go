package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/hint"
)

// outFlags are those of copy and sync that change what is written.
type outFlags struct {
	format, digestFile        string
	preserve, bare            bool
	signBy, sigstore, sequoia string
	key, passphraseFile       string
}

func (o *outFlags) add(f *pflag.FlagSet) {
	f.StringVarP(&o.format, "format", "f", "", "`KIND` of manifest: oci, v2s2 or v2s1; by default what the image has")
	f.StringVar(&o.digestFile, "digestfile", "", "write the digest of the manifest to `FILE`")
	f.BoolVar(&o.preserve, "preserve-digests", false, "fail if the manifest has to be changed")
	f.BoolVar(&o.bare, "remove-signatures", false, "do not copy signatures")
	o.addSigning(f)
}

func (o *outFlags) addSigning(f *pflag.FlagSet) {
	f.StringVar(&o.signBy, "sign-by", "", "sign with the GPG key `ID`")
	f.StringVar(&o.sequoia, "sign-by-sq-fingerprint", "", "not supported: sign with a key of Sequoia")
	f.StringVar(&o.sigstore, "sign-by-sigstore", "", "not supported: sign as a sigstore parameter file says")
	f.StringVar(&o.key, "sign-by-sigstore-private-key", "", "sign with the sigstore private key in `FILE`")
	f.StringVar(&o.passphraseFile, "sign-passphrase-file", "", "`FILE` with the passphrase of the private key")
}

func (o *outFlags) output() (image.Output, error) {
	out := image.Output{Format: o.format, PreserveDigests: o.preserve}
	signing, err := o.signing()
	out.Signing = signing
	return out, err
}

func (o *outFlags) signing() (s image.Signing, err error) {
	switch {
	case o.sigstore != "":
		return s, hint.New(fmt.Errorf("--sign-by-sigstore: %w", image.ErrNotSupported), "use --sign-by-sigstore-private-key FILE")
	case o.sequoia != "":
		return s, hint.New(fmt.Errorf("--sign-by-sq-fingerprint: %w", image.ErrNotSupported), "use --sign-by ID, with a key in GnuPG")
	case o.passphraseFile != "" && o.key == "" && o.signBy == "":
		return s, errors.New("--sign-passphrase-file needs --sign-by or --sign-by-sigstore-private-key")
	case o.passphraseFile != "" && o.key != "" && o.signBy != "":
		return s, errors.New("--sign-passphrase-file is for one of --sign-by and --sign-by-sigstore-private-key")
	}
	s = image.Signing{GPGKey: o.signBy, SigstoreKey: o.key}
	if o.passphraseFile != "" {
		b, err := os.ReadFile(o.passphraseFile)
		if err != nil {
			return s, fmt.Errorf("--sign-passphrase-file: %w", err)
		}
		line, _, _ := strings.Cut(string(b), "\n")
		s.Passphrase = []byte(line)
	}
	return s, nil
}

type copyFlags struct {
	outFlags
	againFlags
	machineFlags
	trustFlags

	authFile   string
	src, dest  endFlags
	all, quiet bool
	multi      string
	level      int
	opts       image.CopyOptions
}

func (a *app) copyCmd() *cobra.Command {
	var p copyFlags
	c := &cobra.Command{
		Use: "copy [flags] SOURCE DESTINATION", Short: "Copy an image from one place to another", Args: cobra.ExactArgs(2),
		Long: "Copy an image from one place to another without storing it. A place is docker://NAME, dir:DIR, oci:DIR[:NAME],\n" +
			"oci-archive:FILE[:NAME], docker-archive:FILE[:NAME], docker-daemon:NAME, burrow-storage:NAME, which is a stored image,\n" +
			"or containers-storage:NAME, which is one of Podman's; another store like that is containers-storage:[DIR]NAME. They are only read.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.finish(cmd.Flags()); err != nil {
				return err
			}
			a.quiet = a.quiet || p.quiet
			ctx, cancel := p.limit(cmd.Context())
			defer cancel()
			return a.copy(ctx, args[0], args[1], &p)
		},
	}
	f := c.Flags()
	f.StringVar(&p.authFile, "authfile", a.env.authFile, "`FILE` with credentials")
	p.src.add(f, "src-")
	p.src.addLocal(f)
	p.dest.add(f, "dest-")
	p.dest.addLocal(f)
	p.outFlags.add(f)
	p.againFlags.add(f)
	p.machineFlags.add(f)
	p.trustFlags.add(f)
	f.BoolVarP(&p.all, "all", "a", false, "copy a list with all its images")
	f.StringVar(&p.multi, "multi-arch", "", "of a list, copy `WHAT`: system, all or index-only")
	f.BoolVarP(&p.quiet, "quiet", "q", false, "show no progress")
	f.StringSliceVar(&p.opts.AdditionalTags, "additional-tag", nil, "give the image in a docker-archive this `NAME` too")
	f.StringVar(&p.opts.Identity, "sign-identity", "", "sign for this `NAME` in place of the destination's")
	f.BoolVar(&p.opts.CompressDir, "dest-compress", false, "compress the layers of dir:")
	f.BoolVar(&p.opts.DecompressDir, "dest-decompress", false, "decompress the layers of dir:")
	f.BoolVar(&p.opts.AcceptUncompressed, "dest-oci-accept-uncompressed-layers", false, "leave layers in oci: uncompressed")
	f.StringVar(&p.opts.Compression, "dest-compress-format", "", "compress layers with `ALGORITHM`: gzip, zstd or zstd:chunked")
	f.IntVar(&p.level, "dest-compress-level", 0, "`LEVEL` of compression: 1 to 9 for gzip (default 2), 1 to 20 for zstd")
	f.BoolVar(&p.opts.ForceCompression, "dest-force-compress-format", false, "reuse no layer that is there in another compression")
	f.BoolVar(&p.opts.Precompute, "dest-precompute-digests", false, "make each layer before it is sent, and send none that is there")
	f.UintVar(&p.opts.Parallel, "image-parallel-copies", 0, "copy at most `N` layers at a time")
	f.StringSliceVar(&p.opts.EncryptionKeys, "encryption-key", nil, "encrypt layers for `METHOD:FILE`, such as jwe:key.pem")
	f.IntSliceVar(&p.opts.EncryptLayers, "encrypt-layer", nil, "encrypt only the `N`th layer, from 0; -1 is the last")
	f.StringSliceVar(&p.opts.DecryptionKeys, "decryption-key", nil, "decrypt layers with `FILE[:PASSPHRASE]`")
	return c
}

func (p *copyFlags) finish(f *pflag.FlagSet) (err error) {
	o := &p.opts
	if p.all && p.multi != "" {
		return errors.New("--all excludes --multi-arch")
	}
	switch o.Images = image.Selection(p.multi); {
	case p.all:
		o.Images = image.SelectAll
	case p.multi != "" && o.Images != image.SelectAll && o.Images != image.SelectIndex && o.Images != image.SelectSystem:
		return hint.New(fmt.Errorf("--multi-arch %q: unknown", p.multi), "use system, all or index-only")
	}
	signing, err := p.signing()
	if err != nil {
		return err
	}
	signing.Identity = o.Identity
	o.Signing = signing
	o.Format, o.PreserveDigests, o.RemoveSignatures = p.format, p.preserve, p.bare
	if f.Changed("dest-compress-level") {
		if o.Level, err = compressionLevel("--dest-compress-level", p.level, o.Compression); err != nil {
			return err
		}
	}
	if o.Source, err = p.src.remote(f, p.authFile); err != nil {
		return err
	}
	if o.Dest, err = p.dest.remote(f, p.authFile); err != nil {
		return err
	}
	o.SourceBlobs, o.SharedBlobs = p.src.blobs, p.dest.blobs
	o.OS, o.Arch, o.Variant, o.Trust, o.Retries = p.os, p.arch, p.variant, p.Trust, p.times
	o.RetryDelay, err = retryDelay(p.delay)
	return err
}

// compressionLevel checks a level for an algorithm, "" being gzip.
func compressionLevel(flag string, level int, algorithm string) (*int, error) {
	most := 20
	if algorithm == "" || algorithm == "gzip" {
		algorithm, most = "gzip", 9
	}
	if level < 1 || level > most {
		return nil, fmt.Errorf("%s %d: %s has levels 1 to %d", flag, level, algorithm, most)
	}
	return &level, nil
}

func (a *app) copy(ctx context.Context, from, to string, p *copyFlags) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	d, err := s.Copy(ctx, from, to, p.opts)
	if err != nil || p.digestFile == "" {
		return err
	}
	if err := os.WriteFile(p.digestFile, []byte(d.String()), 0o644); err != nil {
		return fmt.Errorf("--digestfile: %w", err)
	}
	return nil
}
