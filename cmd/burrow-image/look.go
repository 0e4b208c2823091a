package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/format"
	"github.com/burrow-run/burrow/internal/hint"
)

// lookFlags are those of commands about one image that is not in the store.
type lookFlags struct {
	endFlags
	againFlags
	machineFlags

	shared string // --authfile
}

func (l *lookFlags) add(f *pflag.FlagSet, authFile string) {
	f.StringVar(&l.shared, "authfile", authFile, "`FILE` with credentials")
	l.endFlags.add(f, "")
	l.addLocal(f)
	l.againFlags.add(f)
	l.machineFlags.add(f)
}

func (l *lookFlags) options(f *pflag.FlagSet) (o image.LookOptions, err error) {
	o = image.LookOptions{OS: l.os, Arch: l.arch, Variant: l.variant, Blobs: l.blobs, Retries: l.times}
	if o.Remote, err = l.remote(f, l.shared); err != nil {
		return o, err
	}
	o.RetryDelay, err = retryDelay(l.delay)
	return o, err
}

func (a *app) listTagsCmd() *cobra.Command {
	var l lookFlags
	c := &cobra.Command{
		Use: "list-tags [flags] docker://REPOSITORY|docker-archive:FILE", Short: "List the tags of a repository or archive", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := l.options(cmd.Flags())
			if err != nil {
				return err
			}
			ctx, cancel := l.limit(cmd.Context())
			defer cancel()
			return a.tagsOf(ctx, args[0], o)
		},
	}
	l.add(c.Flags(), a.env.authFile)
	return c
}

func (a *app) tagsOf(ctx context.Context, ref string, o image.LookOptions) error {
	var out struct {
		Repository string `json:",omitempty"`
		Tags       []string
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	if file, ok := strings.CutPrefix(ref, "docker-archive:"); ok {
		out.Tags, err = s.ArchiveTags(ctx, file)
	} else if strings.HasPrefix(ref, "docker://") {
		out.Repository, out.Tags, err = s.ListTags(ctx, ref, o)
	} else {
		err = hint.New(fmt.Errorf("tags of %q: %w", ref, image.ErrNotSupported), "use docker://REPOSITORY or docker-archive:FILE")
	}
	if err != nil {
		return err
	}
	return printJSON(a.out, out, "    ")
}

func (a *app) deleteCmd() *cobra.Command {
	var l lookFlags
	c := &cobra.Command{
		Use: "delete [flags] IMAGE", Short: "Remove an image from a registry", Args: cobra.ExactArgs(1),
		Long: "Remove an image from a registry (docker://NAME), or from oci:DIR:NAME. Registries remove the manifest that a tag stands for,\n" +
			"and with it every tag that stands for the same; many do not allow it.",
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := l.options(cmd.Flags())
			if err != nil {
				return err
			}
			s, err := a.store()
			if err != nil {
				return err
			}
			ctx, cancel := l.limit(cmd.Context())
			defer cancel()
			return s.Delete(ctx, args[0], o)
		},
	}
	l.add(c.Flags(), a.env.authFile)
	return c
}

// inspectFlags are those of inspect that need an image elsewhere.
type inspectFlags struct {
	lookFlags
	raw, config, noTags bool
}

func (i *inspectFlags) add(f *pflag.FlagSet, authFile string) {
	i.lookFlags.add(f, authFile)
	f.BoolVar(&i.raw, "raw", false, "show the manifest, or with --config the configuration, as it is (TRANSPORT:IMAGE only)")
	f.BoolVar(&i.config, "config", false, "show the configuration (TRANSPORT:IMAGE only)")
	f.BoolVarP(&i.noTags, "no-tags", "n", false, "list no tags of the repository (TRANSPORT:IMAGE only)")
}

// localOnly fails if a flag was given that means nothing for a stored image.
func localOnly(f *pflag.FlagSet) error {
	var err error
	f.Visit(func(g *pflag.Flag) {
		if g.Name != "format" && g.Name != "type" && g.Name != "log-level" && err == nil {
			err = hint.New(fmt.Errorf("--%s is for images that are not stored", g.Name), "name one as docker://NAME, dir:DIR, oci:DIR …")
		}
	})
	return err
}

// inspectRemote shows one image elsewhere as Skopeo does.
func (a *app) inspectRemote(ctx context.Context, ref, text string, i *inspectFlags, o image.LookOptions) error {
	o.NoTags = i.noTags
	if text == "json" {
		text = ""
	}
	if i.raw && text != "" {
		return errors.New("--raw excludes --format")
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	var shown any
	switch {
	case i.config:
		raw, config, err := s.RemoteConfig(ctx, ref, o)
		if err != nil {
			return err
		}
		if i.raw {
			_, err = a.out.Write(raw)
			return err
		}
		shown = config
	case i.raw:
		raw, err := s.RawManifest(ctx, ref, o)
		if err != nil {
			return err
		}
		_, err = a.out.Write(raw)
		return err
	default:
		if shown, err = s.InspectRemote(ctx, ref, o); err != nil {
			return err
		}
	}
	if text == "" {
		return printJSON(a.out, shown, "    ")
	}
	return a.printOne(shown, text)
}

// printOne gives a template the fields of v, by their names in Go and in JSON.
func (a *app) printOne(v any, text string) error {
	t, err := format.New(text)
	if err != nil {
		return err
	}
	if in, ok := v.(*image.RemoteInspection); ok {
		v = struct {
			*image.RemoteInspection
			Os string
		}{in, in.OS}
	}
	return format.Print(t, a.out, []any{v}, nil, 0)
}
