package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/hint"
)

type syncFlags struct {
	outFlags
	againFlags
	machineFlags
	trustFlags

	authFile  string
	src, dest endFlags
	all       bool
	opts      image.SyncOptions
}

func (a *app) syncCmd() *cobra.Command {
	var p syncFlags
	c := &cobra.Command{
		Use: "sync [flags] --src TRANSPORT --dest TRANSPORT SOURCE DESTINATION", Short: "Copy many images from one place to another", Args: cobra.ExactArgs(2),
		Long: "Copy every image of SOURCE to DESTINATION: of a repository (--src docker), one image or all its tags; of a directory (--src dir)\n" +
			"every image below it; of a file (--src yaml) what it lists. DESTINATION is where the images' names go below: a registry\n" +
			"or part of a name there (--dest docker), or a directory (--dest dir).",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.finish(cmd.Flags()); err != nil {
				return err
			}
			ctx, cancel := p.limit(cmd.Context())
			defer cancel()
			return a.sync(ctx, args[0], args[1], &p)
		},
	}
	f := c.Flags()
	f.StringVarP(&p.opts.From, "src", "s", "", "`TRANSPORT` of the source: docker, dir or yaml")
	f.StringVarP(&p.opts.To, "dest", "d", "", "`TRANSPORT` of the destination: docker or dir")
	f.BoolVar(&p.opts.Scoped, "scoped", false, "keep the whole name of each image below the destination")
	f.StringVar(&p.opts.Suffix, "append-suffix", "", "`TEXT` after each tag at the destination")
	f.BoolVarP(&p.all, "all", "a", false, "copy lists with all their images")
	f.BoolVar(&p.opts.DryRun, "dry-run", false, "say what would be copied")
	f.BoolVar(&p.opts.KeepGoing, "keep-going", false, "copy the others when one cannot be copied")
	f.StringVar(&p.authFile, "authfile", a.env.authFile, "`FILE` with credentials")
	p.src.add(f, "src-")
	p.dest.add(f, "dest-")
	p.outFlags.add(f)
	p.againFlags.add(f)
	p.machineFlags.add(f)
	p.trustFlags.add(f)
	return c
}

func (p *syncFlags) finish(f *pflag.FlagSet) (err error) {
	o := &p.opts
	if o.From == "" || o.To == "" {
		return hint.New(errors.New("sync needs --src and --dest"), "--src docker|dir|yaml --dest docker|dir")
	}
	if p.all {
		o.Images = image.SelectAll
	}
	if o.Output, err = p.output(); err != nil {
		return err
	}
	if o.Source, err = p.src.remote(f, p.authFile); err != nil {
		return err
	}
	if o.Dest, err = p.dest.remote(f, p.authFile); err != nil {
		return err
	}
	o.RemoveSignatures = p.bare
	o.OS, o.Arch, o.Variant, o.Trust, o.Retries = p.os, p.arch, p.variant, p.Trust, p.times
	o.RetryDelay, err = retryDelay(p.delay)
	return err
}

func (a *app) sync(ctx context.Context, from, to string, p *syncFlags) (err error) {
	digests := io.Discard
	if p.digestFile != "" && !p.opts.DryRun {
		f, err := os.Create(p.digestFile)
		if err != nil {
			return fmt.Errorf("--digestfile: %w", err)
		}
		defer f.Close()
		digests = f
	}
	var unwritten error
	p.opts.Report = func(s image.Synced) {
		switch {
		case s.Err != nil && p.opts.KeepGoing:
			a.report(s.Err)
		case s.Err != nil:
		case p.opts.DryRun:
			a.println("would copy " + s.From + " to " + s.To)
		default:
			if _, err := fmt.Fprintf(digests, "%s %s\n", s.Digest, s.To); err != nil {
				unwritten = fmt.Errorf("--digestfile: %w", err)
			}
		}
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	return errors.Join(s.Sync(ctx, from, to, p.opts), unwritten)
}
