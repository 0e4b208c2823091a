package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/image"
	"github.com/burrow-run/burrow/internal/hint"
)

type saveFlags struct {
	output, format  string
	quiet, compress bool
	uncompressed    bool
	multi           bool
}

func (a *app) saveCmd() *cobra.Command {
	var f saveFlags
	c := &cobra.Command{
		Use: "save [flags] IMAGE [IMAGE...]", Short: "Write images to an archive", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a.quiet = a.quiet || f.quiet
			if err := a.save(cmd.Context(), args, &f); err != nil {
				return err
			}
			for _, ref := range args {
				a.noteAs(audit.Save, ref, ref)
			}
			return nil
		},
	}
	fl := c.Flags()
	fl.StringVarP(&f.output, "output", "o", "", "write to `FILE` or directory in place of standard output")
	fl.StringVar(&f.format, "format", "docker-archive", "`FORMAT`: docker-archive, oci-archive, oci-dir, docker-dir")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "show no progress")
	fl.BoolVar(&f.compress, "compress", false, "compress the layers of docker-dir")
	fl.BoolVar(&f.uncompressed, "uncompressed", false, "do not compress the layers of oci-archive and oci-dir")
	fl.BoolVarP(&f.multi, "multi-image-archive", "m", false, "accepted for compatibility: several images are always kept apart")
	return c
}

func (a *app) save(ctx context.Context, refs []string, f *saveFlags) error {
	opts := image.SaveOptions{Format: image.Format(f.format), Compress: f.compress, Uncompressed: f.uncompressed}
	dir := opts.Format == image.FormatOCIDir || opts.Format == image.FormatDockerDir
	if f.compress && opts.Format != image.FormatDockerDir {
		return errors.New("--compress is for --format docker-dir only")
	}
	if f.uncompressed && opts.Format != image.FormatOCIDir && opts.Format != image.FormatOCIArchive {
		return errors.New("--uncompressed is for --format oci-archive and oci-dir only")
	}
	s, err := a.store()
	if err != nil {
		return err
	}
	if f.output == "" || f.output == "-" || f.output == "/dev/stdout" {
		if dir {
			return hint.New(fmt.Errorf("%s is a directory", f.format), "burrow save --format "+f.format+" -o DIR IMAGE")
		}
		return a.saveStdout(ctx, s, refs, opts)
	}
	if st, err := os.Stat(f.output); dir || (err == nil && !st.Mode().IsRegular() && !st.IsDir()) {
		return s.Save(ctx, refs, f.output, opts)
	}
	return image.SaveFile(f.output, func(tmp string) error { return s.Save(ctx, refs, tmp, opts) })
}

// saveStdout hands the image library a pipe by name: it opens files itself.
func (a *app) saveStdout(ctx context.Context, s *image.Store, refs []string, opts image.SaveOptions) error {
	if f, ok := a.out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return hint.New(errors.New("standard output is a terminal"), "burrow save -o FILE "+refs[0])
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(a.out, r)
		done <- errors.Join(err, r.Close())
	}()
	err = s.Save(ctx, refs, fmt.Sprintf("/proc/self/fd/%d", w.Fd()), opts)
	return errors.Join(err, w.Close(), <-done)
}
