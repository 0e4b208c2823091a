package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/hint"
)

func (a *app) importCmd() *cobra.Command {
	var opts image.ImportOptions
	var platform string
	var quiet bool
	c := &cobra.Command{
		Use:   "import [flags] TAR|- [NAME[:TAG]]",
		Short: "Make an image from the tar archive of a root file system",
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				opts.Name = args[1]
			}
			if err := readPlatform(platform, &opts.OS, &opts.Arch, &opts.Variant); err != nil {
				return err
			}
			in, err := a.input(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			s, err := a.store()
			if err != nil {
				return err
			}
			id, err := s.Import(cmd.Context(), in, opts)
			if err != nil {
				return err
			}
			a.note(audit.Import, id, opts.Name)
			a.println("sha256:" + id)
			return nil
		},
	}
	f := c.Flags()
	f.StringArrayVarP(&opts.Changes, "change", "c", nil, "apply `INSTRUCTION` to the image: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR")
	f.StringVarP(&opts.Message, "message", "m", "", "`TEXT` for the image's history")
	f.StringVar(&opts.OS, "os", "", "operating system of the image")
	f.StringVar(&opts.Arch, "arch", "", "architecture of the image")
	f.StringVar(&opts.Variant, "variant", "", "variant of the architecture")
	f.StringVar(&platform, "platform", "", "`OS/ARCH[/VARIANT]` of the image")
	f.BoolVarP(&quiet, "quiet", "q", false, "print the ID only")
	return c
}

// input opens a file named on the command line; - is standard input.
func (a *app) input(ctx context.Context, name string) (io.ReadCloser, error) {
	if name != "-" {
		if strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://") {
			return nil, hint.New(errors.New("import does not fetch URLs"), "curl -L "+name+" | burrow import - NAME")
		}
		return image.OpenFile(ctx, name)
	}
	if term.IsTerminal(int(a.in.Fd())) {
		return nil, errors.New("standard input is a terminal")
	}
	return io.NopCloser(a.in), nil
}

func (a *app) loadCmd() *cobra.Command {
	var input string
	var quiet bool
	c := &cobra.Command{
		Use:   "load [flags]",
		Short: "Load images from an archive",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.quiet = a.quiet || quiet
			s, err := a.store()
			if err != nil {
				return err
			}
			spooled := input == "" || input == "-" || input == "/dev/stdin"
			if spooled {
				in, err := a.input(cmd.Context(), "-")
				if err != nil {
					return hint.New(err, "burrow load -i FILE")
				}
				if input, err = s.Spool(cmd.Context(), in); err != nil {
					return err
				}
				defer os.Remove(input)
			}
			loaded, err := s.Load(cmd.Context(), input)
			if spooled && errors.Is(err, image.ErrNoArchive) {
				err = hint.New(fmt.Errorf("%w: standard input is %w", image.ErrInvalid, image.ErrNoArchive), "to make an image of a root file system: burrow import - NAME")
			}
			for _, l := range loaded {
				a.note(audit.Load, l.ID, strings.Join(l.Names[:min(1, len(l.Names))], ""))
				a.printLoaded(l)
			}
			return err
		},
	}
	c.Flags().StringVarP(&input, "input", "i", "", "read `FILE` or directory in place of standard input")
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "show no progress")
	return c
}

func (a *app) printLoaded(l image.Loaded) {
	if len(l.Names) == 0 {
		a.println("Loaded image: sha256:" + l.ID)
	}
	for _, n := range l.Names {
		a.println("Loaded image: " + n)
	}
}
