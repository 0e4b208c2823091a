package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/internal/hint"
)

type commitFlags struct {
	engine.CommitOptions
	format, idFile string
	quiet, squash  bool
}

func (a *app) commitCommand() *cobra.Command {
	var f commitFlags
	cmd := &cobra.Command{
		Use: "commit [OPTIONS] CONTAINER [IMAGE]", Short: "Make an image of a container",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return hint.New(errors.New("burrow commit takes a container and, if it is to have a name, the image's"), "burrow commit --help")
			}
			if err := f.check(args[0]); err != nil {
				return err
			}
			c, uids, gids, err := whoAmI()
			if err != nil {
				return err
			}
			if !c.inside {
				return enterAnchor(cmd.Context(), c, "mounts")
			}
			if len(args) == 2 {
				f.Name = args[1]
			}
			return a.commit(cmd.Context(), args[0], f, a.engineOptions(c, uids, gids))
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.Author, "author", "a", "", "who made it")
	fl.StringArrayVarP(&f.Changes, "change", "c", nil, "apply `INSTRUCTION` to the image: CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR")
	fl.StringVarP(&f.Message, "message", "m", "", "`TEXT` for the image's history")
	fl.StringVarP(&f.format, "format", "f", "oci", "oci, the only one")
	fl.StringVar(&f.idFile, "iidfile", "", "write the image's ID to `FILE`")
	fl.BoolVar(&f.IncludeVolumes, "include-volumes", false, "declare the container's mounts as volumes of the image")
	fl.BoolVarP(&f.Pause, "pause", "p", false, "freeze the container meanwhile")
	fl.BoolVarP(&f.quiet, "quiet", "q", false, "accepted for compatibility: the ID is all that is printed")
	fl.BoolVarP(&f.squash, "squash", "s", false, "not supported")
	return cmd
}

func (f commitFlags) check(container string) error {
	switch {
	case f.squash:
		return hint.New(errors.New("--squash: not supported"), "burrow export "+container+" | burrow import - NAME")
	case f.format != "oci":
		return hint.New(fmt.Errorf("--format %q: not supported: images are stored as oci", f.format), "burrow save --format docker-archive converts")
	}
	return nil
}

// commit streams the container's layer to the executable that stores images.
func (a *app) commit(ctx context.Context, ref string, f commitFlags, o engine.Options) error {
	cmd, err := imageTool(ctx, "commit")
	if err != nil {
		return err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", imageToolName, err)
	}
	w := bufio.NewWriterSize(in, 256<<10)
	err = engine.WriteCommit(ctx, ref, w, f.CommitOptions, o)
	if err == nil {
		err = w.Flush()
	}
	in.Close()
	failed := cmd.Wait() // without the last chunk it makes nothing
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		return err
	}
	_, _ = errs.WriteTo(a.err)
	if failed != nil {
		return exitCode(exitError) // it has said why
	}
	id := strings.TrimSpace(out.String())
	if f.idFile != "" {
		if err := os.WriteFile(f.idFile, []byte("sha256:"+id), 0o644); err != nil {
			return fmt.Errorf("--iidfile: %w", err)
		}
	}
	fmt.Fprintln(a.out, id)
	return nil
}
