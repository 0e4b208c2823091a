package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/hint"
)

func (a *app) manifestCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "manifest", Short: "Make lists of images for several platforms", Args: noArgs,
		Long: "Make lists of images for several platforms, and push them.\n\nA list says where its images are: in the store, at a registry, in a directory or an archive.\n" +
			"`burrow images` shows it beside them; `burrow run` takes from it the image for this machine.",
		RunE: func(c *cobra.Command, _ []string) error {
			return hint.New(errors.New("manifest needs a command"), c.CommandPath()+" --help")
		},
	}
	c.AddCommand(
		a.manifestCreateCmd(), a.manifestAddCmd(), a.manifestAnnotateCmd(), a.manifestInspectCmd(), a.manifestPushCmd(),
		a.manifestRemoveCmd(), a.manifestRmCmd(), a.manifestExistsCmd(),
	)
	return c
}

func (a *app) manifestCreateCmd() *cobra.Command {
	var r remoteFlags
	var annotations []string
	var insecure bool
	var opts image.CreateOptions
	c := &cobra.Command{
		Use: "create [flags] LIST [IMAGE...]", Short: "Make a list of images", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if opts.Annotations, err = pairs("--annotation", annotations); err != nil {
				return err
			}
			if opts.Remote, err = r.remote(cmd.Flags()); err != nil {
				return err
			}
			if insecure {
				opts.Remote.SkipVerify = &insecure
			}
			return a.changed(func(s *image.Store) (string, error) {
				return s.CreateIndex(cmd.Context(), args[0], args[1:], opts)
			})
		},
	}
	f := c.Flags()
	r.add(f, a.env.authFile)
	f.StringVar(&r.creds, "creds", "", "`USER:PASSWORD` for the registry")
	// Docker calls --amend -a, and so does Podman.
	f.BoolVar(&opts.All, "all", false, "of what is a list itself, add all images")
	f.BoolVarP(&opts.Amend, "amend", "a", false, "change a list that exists")
	f.StringArrayVar(&annotations, "annotation", nil, "`KEY=VALUE` to say of the list")
	f.BoolVar(&insecure, "insecure", false, "the same as --tls-verify=false")
	_ = f.MarkHidden("insecure")
	return c
}

// entryFlags are what a list says of an image.
type entryFlags struct {
	annotations []string
	entry       image.Entry
}

func (e *entryFlags) add(f *pflag.FlagSet) {
	f.StringArrayVar(&e.annotations, "annotation", nil, "`KEY=VALUE` to say of the image")
	f.StringVar(&e.entry.Arch, "arch", "", "`ARCHITECTURE` that the image is for")
	f.StringVar(&e.entry.OS, "os", "", "operating `SYSTEM` that the image is for")
	f.StringVar(&e.entry.OSVersion, "os-version", "", "`VERSION` of the operating system that the image is for")
	f.StringVar(&e.entry.Variant, "variant", "", "`VARIANT` of the architecture that the image is for")
	f.StringSliceVar(&e.entry.OSFeatures, "os-features", nil, "`FEATURES` of the operating system that the image needs")
	f.StringSliceVar(&e.entry.Features, "features", nil, "`FEATURES` that the image needs; only lists pushed with --format v2s2 have them")
}

func (e *entryFlags) finish() (err error) {
	e.entry.Annotations, err = pairs("--annotation", e.annotations)
	return err
}

func (a *app) manifestAddCmd() *cobra.Command {
	var r remoteFlags
	var e entryFlags
	var artifact, insecure bool
	var opts image.AddOptions
	c := &cobra.Command{
		Use: "add [flags] LIST IMAGE [IMAGE...]", Short: "Add images to a list", Args: cobra.MinimumNArgs(2),
		Long: "Add images to a list.\n\nIMAGE is the name or ID of a stored image, or a name at a registry, with or without docker://, or\n" +
			"dir:DIR, oci:DIR[:NAME], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME] or burrow-storage:NAME, which is a stored image.\n" +
			"What is not stored is not fetched: it is read where it is when the list is pushed.\n\n" +
			"Where IMAGE is a list itself, its image for this machine is added, or that for --os, --arch and --variant.",
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if artifact {
				return hint.New(fmt.Errorf("--artifact: %w", image.ErrNotSupported), "push it on its own: burrow artifact push, then burrow manifest add LIST docker://…")
			}
			if err := e.finish(); err != nil {
				return err
			}
			if opts.Remote, err = r.remote(cmd.Flags()); err != nil {
				return err
			}
			if insecure {
				opts.Remote.SkipVerify = &insecure
			}
			opts.Entry = e.entry
			return a.changed(func(s *image.Store) (string, error) {
				return s.AddToIndex(cmd.Context(), args[0], args[1:], opts)
			})
		},
	}
	f := c.Flags()
	r.add(f, a.env.authFile)
	f.StringVar(&r.creds, "creds", "", "`USER:PASSWORD` for the registry")
	e.add(f)
	f.BoolVar(&opts.All, "all", false, "of what is a list itself, add all images")
	f.BoolVar(&artifact, "artifact", false, "not supported: make an artifact of files")
	f.BoolVar(&insecure, "insecure", false, "the same as --tls-verify=false")
	_ = f.MarkHidden("insecure")
	return c
}

func (a *app) manifestAnnotateCmd() *cobra.Command {
	var r remoteFlags
	var e entryFlags
	var whole bool
	var subject string
	c := &cobra.Command{
		Use: "annotate [flags] LIST [DIGEST|IMAGE]", Short: "Change what a list says of an image, or of itself", Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := e.finish(); err != nil {
				return err
			}
			f := cmd.Flags()
			whole = whole || subject != ""
			switch {
			case whole && len(args) == 2:
				return errors.New("--index and --subject change the list: give no image")
			case !whole && len(args) == 1:
				return hint.New(errors.New("which image of the list?"), "burrow manifest inspect "+args[0]+" shows digests; --index annotates the list itself")
			case whole && (f.Changed("arch") || f.Changed("os") || f.Changed("os-version") || f.Changed("variant") || f.Changed("os-features") || f.Changed("features")):
				return errors.New("a list has no platform, its images have")
			}
			remote, err := r.remote(f)
			if err != nil {
				return err
			}
			return a.changed(func(s *image.Store) (string, error) {
				if whole {
					return s.AnnotateWholeIndex(cmd.Context(), args[0], e.entry.Annotations, subject, remote)
				}
				return s.AnnotateIndex(cmd.Context(), args[0], args[1], e.entry)
			})
		},
	}
	f := c.Flags()
	r.add(f, a.env.authFile)
	e.add(f)
	f.BoolVar(&whole, "index", false, "the annotations are the list's, not an image's")
	f.StringVar(&subject, "subject", "", "`IMAGE` that the list belongs to")
	return c
}

func (a *app) manifestInspectCmd() *cobra.Command {
	var r remoteFlags
	var insecure bool
	c := &cobra.Command{
		Use: "inspect [flags] LIST", Short: "Show a list, or what a registry has under that name", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			remote, err := r.remote(cmd.Flags())
			if err != nil {
				return err
			}
			if insecure {
				remote.SkipVerify = &insecure
			}
			return a.manifestInspect(cmd.Context(), args[0], remote)
		},
	}
	f := c.Flags()
	r.add(f, a.env.authFile)
	f.StringVar(&r.creds, "creds", "", "`USER:PASSWORD` for the registry")
	f.BoolP("verbose", "v", false, "accepted for compatibility with Docker")
	f.BoolVar(&insecure, "insecure", false, "the same as --tls-verify=false")
	_ = f.MarkHidden("verbose")
	_ = f.MarkHidden("insecure")
	return c
}

func (a *app) manifestInspect(ctx context.Context, ref string, remote image.Remote) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	raw, single, err := s.InspectIndex(ctx, ref, remote)
	if err != nil {
		return err
	}
	if single {
		fmt.Fprintf(a.err, "burrow: warning: %s is a single image, no list\n", oneLine(ref))
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "    "); err != nil {
		return err
	}
	a.println(b.String())
	return nil
}

func (a *app) manifestPushCmd() *cobra.Command {
	var p pushFlags
	var remove, all, insecure bool
	c := &cobra.Command{
		Use: "push [flags] LIST [DESTINATION]", Short: "Write a list and its images to a registry, archive or directory", Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			destination := ""
			if len(args) == 2 {
				destination = args[1]
			}
			if err := p.finish(cmd.Flags(), destination); err != nil {
				return err
			}
			if insecure {
				p.opts.Remote.SkipVerify = &insecure
			}
			a.quiet = a.quiet || p.quiet
			p.opts.ListOnly = !all
			s, err := a.store()
			if err != nil {
				return err
			}
			d, err := s.PushIndex(cmd.Context(), args[0], destination, p.opts)
			if err == nil {
				err = p.writeDigest(d)
			}
			if err == nil && remove {
				_, err = s.RemoveIndex(cmd.Context(), args[0])
			}
			return err
		},
	}
	f := c.Flags()
	p.flags(f, a.env.authFile)
	f.BoolVar(&all, "all", true, "push the images too; without them the registry must have them")
	f.StringSliceVar(&p.opts.Variants, "add-compression", nil, "have each image in the compression `ALGORITHM` too: gzip, zstd, zstd:chunked")
	f.BoolVar(&remove, "rm", false, "remove the list from the store when it has been pushed")
	f.BoolVarP(&remove, "purge", "p", false, "the same as --rm")
	f.BoolVar(&insecure, "insecure", false, "the same as --tls-verify=false")
	_ = f.MarkHidden("purge")
	_ = f.MarkHidden("insecure")
	return c
}

func (a *app) manifestRemoveCmd() *cobra.Command {
	return &cobra.Command{
		Use: "remove LIST DIGEST", Short: "Take an image out of a list", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changed(func(s *image.Store) (string, error) {
				return s.RemoveFromIndex(cmd.Context(), args[0], args[1])
			})
		},
	}
}

func (a *app) manifestRmCmd() *cobra.Command {
	var ignore bool
	c := &cobra.Command{
		Use: "rm [flags] LIST [LIST...]", Short: "Remove lists; their images stay", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.store()
			if err != nil {
				return err
			}
			var errs []error
			for _, ref := range args {
				r, err := s.RemoveIndex(cmd.Context(), ref)
				if errors.Is(err, image.ErrNotFound) && ignore {
					continue
				}
				if err != nil {
					errs = append(errs, err)
					continue
				}
				a.noteRemoved(r)
				a.printRemoved(r)
			}
			return a.removeResult(errs)
		},
	}
	c.Flags().BoolVarP(&ignore, "ignore", "i", false, "it is no error if a list does not exist")
	return c
}

func (a *app) manifestExistsCmd() *cobra.Command {
	return a.exists("exists LIST", "Say by exit status whether a list is stored", (*image.Store).IndexExists)
}

// changed opens the store, lets fn change a list, and prints its ID.
func (a *app) changed(fn func(*image.Store) (string, error)) error {
	s, err := a.store()
	if err != nil {
		return err
	}
	id, err := fn(s)
	if err != nil {
		return err
	}
	a.println(id)
	return nil
}

// pairs reads the values of a flag that are KEY=VALUE.
func pairs(flag string, texts []string) (map[string]string, error) {
	var out map[string]string
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%s %q is not of the form KEY=VALUE", flag, text)
		}
		if out == nil {
			out = map[string]string{}
		}
		out[key] = value
	}
	return out, nil
}
