package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/image"
)

// remoteFlags say how to talk to a registry.
type remoteFlags struct {
	authFile, certDir, creds string
	tlsVerify                bool
	makesAuth                bool // the file with credentials may be made
}

func (r *remoteFlags) add(f *pflag.FlagSet, authFile string) {
	f.StringVar(&r.authFile, "authfile", authFile, "`FILE` with credentials")
	f.StringVar(&r.certDir, "cert-dir", "", "`DIR` with ca.crt, client.cert and client.key")
	f.BoolVar(&r.tlsVerify, "tls-verify", true, "verify the registry's certificate; false also allows plain HTTP")
}

func (r *remoteFlags) remote(f *pflag.FlagSet) (image.Remote, error) {
	out := image.Remote{AuthFile: r.authFile, CertDir: r.certDir, DaemonHost: os.Getenv("DOCKER_HOST")}
	if f.Changed("authfile") && !r.makesAuth {
		if _, err := os.Stat(r.authFile); err != nil {
			return out, fmt.Errorf("--authfile: %w", err)
		}
	}
	if f.Changed("tls-verify") {
		skip := !r.tlsVerify
		out.SkipVerify = &skip
	}
	if r.creds != "" {
		user, password, ok := strings.Cut(r.creds, ":")
		if !ok || user == "" {
			return out, errors.New("--creds is not of the form USER:PASSWORD")
		}
		out.Creds = &image.Credentials{User: user, Password: password}
	}
	return out, nil
}

type pullFlags struct {
	remoteFlags
	quiet      bool
	platform   string
	policy     string
	retryDelay string
	opts       image.PullOptions
}

func (a *app) pullCmd() *cobra.Command {
	var p pullFlags
	c := &cobra.Command{
		Use: "pull [flags] IMAGE [IMAGE...]", Short: "Fetch images from a registry or archive", Args: cobra.MinimumNArgs(1),
		Long: "Fetch images from a registry or archive. Layers that are stored are not fetched again. Of one that the registry has\n" +
			"as zstd:chunked (push --compression-format zstd:chunked) only what no stored layer of that kind has is fetched;\n" +
			"enable_partial_images = \"false\" in storage.conf, below storage.options.pull_options, switches that off.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.finish(cmd.Flags()); err != nil {
				return err
			}
			if p.quiet {
				a.quiet = true
			}
			return a.pull(cmd, args, p.opts)
		},
	}
	f := c.Flags()
	p.add(f, a.env.authFile)
	f.StringVar(&p.creds, "creds", "", "`USER:PASSWORD` for the registry")
	f.BoolVarP(&p.opts.AllTags, "all-tags", "a", false, "fetch every image of the repository")
	f.Bool("disable-content-trust", true, "accepted for compatibility: there is no content trust to disable")
	f.BoolVarP(&p.quiet, "quiet", "q", false, "show no progress")
	f.StringVar(&p.platform, "platform", "", "`OS/ARCH[/VARIANT]` to choose from a list of images")
	f.StringVar(&p.opts.OS, "os", "", "operating system to choose")
	f.StringVar(&p.opts.Arch, "arch", "", "architecture to choose")
	f.StringVar(&p.opts.Variant, "variant", "", "variant of the architecture to choose")
	f.StringVar(&p.policy, "policy", "always", "fetch `WHEN`: always, missing, newer, never")
	f.StringSliceVar(&p.opts.DecryptionKeys, "decryption-key", nil, "decrypt layers with `FILE[:PASSPHRASE]`")
	f.IntVar(&p.opts.Retries, "retry", 3, "`TIMES` to try again after a network error")
	f.StringVar(&p.retryDelay, "retry-delay", "", "`TIME` between tries; by default it grows from a second")
	return c
}

func (p *pullFlags) finish(f *pflag.FlagSet) (err error) {
	if p.opts.Remote, err = p.remote(f); err != nil {
		return err
	}
	if err := readPlatform(p.platform, &p.opts.OS, &p.opts.Arch, &p.opts.Variant); err != nil {
		return err
	}
	if p.opts.RetryDelay, err = retryDelay(p.retryDelay); err != nil {
		return err
	}
	p.opts.Policy = image.Policy(p.policy)
	return nil
}

// readPlatform takes --platform apart, if it was given, which leaves nothing to say for
// the flags of its parts.
func readPlatform(platform string, system, arch, variant *string) error {
	if platform == "" {
		return nil
	}
	if *system+*arch+*variant != "" {
		return errors.New("--platform excludes --os, --arch and --variant")
	}
	parts := strings.Split(platform, "/")
	if len(parts) > 3 || slices.Contains(parts, "") {
		return fmt.Errorf("invalid --platform %q: use OS/ARCH or OS/ARCH/VARIANT", platform)
	}
	parts = append(parts, "", "")
	*system, *arch, *variant = parts[0], parts[1], parts[2]
	return nil
}

func (a *app) pull(cmd *cobra.Command, names []string, opts image.PullOptions) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	for _, n := range names {
		ids, err := s.Pull(cmd.Context(), n, opts)
		for _, id := range ids {
			if err == nil || id != "" {
				a.note(audit.Pull, id, n)
				a.println(id)
				a.warnPlatform(cmd.Context(), s, id, opts)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// warnPlatform says that an image is for another platform than was asked for: a
// registry that has one image only gives that.
func (a *app) warnPlatform(ctx context.Context, s *image.Store, id string, opts image.PullOptions) {
	if opts.OS+opts.Arch == "" {
		return
	}
	i, err := s.Inspect(ctx, id)
	if err != nil {
		return
	}
	if opts.OS != "" && i.OS != opts.OS || opts.Arch != "" && i.Architecture != opts.Arch {
		want := cmp.Or(opts.OS, i.OS) + "/" + cmp.Or(opts.Arch, i.Architecture)
		fmt.Fprintf(a.err, "burrow: warning: %.12s is an image for %s/%s, not for %s\n", id, oneLine(i.OS), oneLine(i.Architecture), want)
	}
}
