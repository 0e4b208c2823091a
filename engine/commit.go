package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/audit"
	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/engine/transfer"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// CommitOptions say what the image is like.
type CommitOptions struct {
	Name, Author, Message string
	Changes               []string // instructions of a Dockerfile
	IncludeVolumes        bool     // declare the container's mounts as volumes
	Pause                 bool     // freeze the container meanwhile
}

// WriteCommit writes what `burrow-image commit` makes an image of: what there is
// to say of it, and the container's writable layer. The process must be in a
// mount namespace of its own.
func WriteCommit(ctx context.Context, ref string, to io.Writer, c CommitOptions, o Options) (err error) {
	rec, err := Lookup(o.Dirs, ref)
	if err != nil {
		return err
	}
	r := &run{spec: rec.Spec, opts: o}
	r.attachTo(rec)
	if rec.ImageID == "" {
		return hint.New(fmt.Errorf("commit %s: it was not made of an image", rec.Name),
			"burrow export "+rec.Name+" | burrow import - NAME")
	}
	if err := r.findImage(ctx); err != nil {
		return err
	}
	if c.Pause && rec.Running() && !rec.Paused() {
		if err := rec.freeze(ctx, true); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, rec.freeze(context.WithoutCancel(ctx), false)) }()
	}
	head := plan.Commit{
		Parent: rec.ImageID, Name: c.Name, Author: c.Author, Message: c.Message, Changes: c.Changes,
		CreatedBy: strings.Join(rec.Command, " "), Config: r.committed(c),
	}
	if err := head.Write(to); err != nil {
		return err
	}
	layer := plan.Chunks{W: to}
	if err := r.writeLayer(ctx, layer); err != nil {
		return err
	}
	if err := layer.Close(); err != nil {
		return err
	}
	noteDone(o.Dirs, rec, audit.Commit)
	return nil
}

// writeLayer writes the writable layer with the container's IDs.
func (r *run) writeLayer(ctx context.Context, to io.Writer) error {
	sink := transfer.NewTarSink(to)
	sink.Warn = r.opts.Warn
	if !r.hasUpper() {
		return sink.Close()
	}
	upper, err := sys.OpenDir(r.upper())
	if err != nil {
		return err
	}
	defer upper.Close()
	owners := transfer.Owners{UIDs: r.record.UIDMap, GIDs: r.record.GIDMap}
	places := r.artifactPlaces()
	w := transfer.Walker{
		Owners: &owners, Xattrs: true, Layer: true, Warn: r.opts.Warn,
		Skip: func(name string) bool { return (ours("/"+name) || places["/"+name]) && isMountpoint(upper, name) },
	}
	if err := w.Walk(ctx, upper, ".", topless{sink}); err != nil {
		if errors.Is(err, transfer.ErrHoles) {
			err = hint.New(err, "remove the file from the container, or burrow export "+r.name+" if it is to be so")
		}
		return fmt.Errorf("read writable layer: %w", err)
	}
	return sink.Close()
}

// isMountpoint says that a file may be there to be mounted on: it is empty.
func isMountpoint(upper *os.File, name string) bool {
	f, err := sys.OpenBelow(upper, name, unix.O_PATH)
	if err != nil {
		return false
	}
	defer f.Close()
	info, err := f.Stat()
	return err == nil && info.Mode().IsRegular() && info.Size() == 0
}

// committed is the image's configuration with what the command line of the
// container said in its place. What it took from the caller's environment stays
// out: nobody has typed that to be published.
func (r *run) committed(c CommitOptions) plan.Config {
	cfg := r.image.cfg
	m := r.metadata()
	if r.spec.Entrypoint != nil {
		cfg.Entrypoint, cfg.Cmd = *r.spec.Entrypoint, nil
	}
	if len(r.spec.Args) > 0 {
		cfg.Cmd = r.spec.Args
	}
	env := r.spec.Process.Env
	env.Host = nil
	cfg.Env = env.Apply(cfg.Env)
	cfg.User, cfg.Labels, cfg.Healthcheck = m.User, m.Labels, m.Healthcheck
	if r.spec.Process.Workdir != "" {
		cfg.WorkingDir = r.spec.Process.Workdir
	}
	if r.spec.Stop.Signal != 0 {
		cfg.StopSignal = m.StopSignal
	}
	if c.IncludeVolumes {
		for _, v := range r.spec.Mounts {
			if v.Type == spec.MountBind || v.Type == spec.MountVolume {
				cfg.Volumes = append(slices.Clip(cfg.Volumes), v.Dest)
			}
		}
		slices.Sort(cfg.Volumes)
		cfg.Volumes = slices.Compact(cfg.Volumes)
	}
	return cfg
}
