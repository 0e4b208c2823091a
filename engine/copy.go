package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/transfer"
	"github.com/burrow-run/burrow/internal/hint"
)

// Place is one end of a copy.
type Place struct {
	Container string // name or ID; "": the caller's own files
	Path      string // "-" without a container: a tar stream
}

// String is the place as it was typed.
func (p Place) String() string {
	if p.Container != "" {
		return p.Container + ":" + p.Path
	}
	return p.Path
}

func (p Place) stream() bool { return p.Container == "" && p.Path == "-" }

// CopyOptions say how to copy.
type CopyOptions struct {
	// KeepOwners gives what is copied into a container the owner that it has
	// where it comes from, as the container numbers it. Without it, all belongs to
	// the container's user.
	KeepOwners bool
	// Overwrite replaces directories by files and the other way round.
	Overwrite bool
}

// Copy copies between a container and the caller's files, between two
// containers, or between a container and a tar stream on Options.Stdin or Stdout.
//
// It leaves the calling process without the right to execute anything: it reads
// what strangers wrote. The process must be in a mount namespace of its own.
func Copy(ctx context.Context, from, to Place, c CopyOptions, o Options) error {
	if (from.Container == "") == (to.Container == "") && from.Container == "" {
		return hint.New(errors.New("cp: neither is in a container"), "burrow cp CONTAINER:PATH LOCAL, or burrow cp LOCAL CONTAINER:PATH")
	}
	if (from.stream() || to.stream()) && from.Container == to.Container {
		return errors.New("bug: copy from stream to stream")
	}
	job := copying{options: c, engine: o}
	defer job.close()
	var err error
	if job.from, err = job.open(ctx, from, to, false); err != nil {
		return err
	}
	if job.to, err = job.open(ctx, to, from, true); err != nil {
		return err
	}
	if err := confine("cp"); err != nil {
		return err
	}
	return job.run(ctx)
}

// copying is one copy on its way.
type copying struct {
	options  CopyOptions
	engine   Options
	from, to end
	views    map[string]*view
}

// end is a place that has been opened.
type end struct {
	place Place
	view  *view // nil: the caller's own files
	root  transfer.Root
}

func (j *copying) close() {
	for _, v := range j.views {
		v.close()
	}
}

// open makes a place's files visible. Of two places in one container both use
// the same view, which can be written to.
func (j *copying) open(ctx context.Context, p, other Place, write bool) (end, error) {
	e := end{place: p, root: transfer.Root{Cwd: j.engine.Cwd}}
	if p.Container == "" {
		if !p.stream() && !path.IsAbs(p.Path) && j.engine.Cwd == "" {
			return e, errors.New("the working directory is not visible here: give an absolute path")
		}
		return e, nil
	}
	rec, err := Lookup(j.engine.Dirs, p.Container)
	if err != nil {
		return e, err
	}
	if v := j.views[rec.ID]; v != nil {
		e.view, e.root = v, transfer.Root{Dir: v.root}
		return e, nil
	}
	if other.Container != "" && !write {
		o, err := Lookup(j.engine.Dirs, other.Container)
		if err != nil {
			return e, err
		}
		write = o.ID == rec.ID
	}
	var keep []string
	if other.Container == "" && !other.stream() {
		keep = j.visible(other.Path)
	}
	if e.view, err = openView(ctx, rec, j.engine, write, keep); err != nil {
		return e, err
	}
	if j.views == nil {
		j.views = map[string]*view{}
	}
	j.views[rec.ID] = e.view
	e.root = transfer.Root{Dir: e.view.root}
	return e, nil
}

// visible are the paths that a local one leads through, which must not be hidden.
func (j *copying) visible(local string) []string {
	out := []string{path.Clean(transfer.Root{Cwd: j.engine.Cwd}.Absolute(local))}
	for _, p := range []string{out[0], path.Dir(out[0])} {
		if resolved, err := filepath.EvalSymlinks(p); err == nil {
			out = append(out, resolved)
		}
	}
	return out
}

// openView is a container's root with all that is mounted there, whether it runs or not.
func openView(ctx context.Context, rec Record, o Options, write bool, keep []string) (*view, error) {
	switch {
	case rec.Running():
		return liveView(rec)
	case write:
		return workView(ctx, rec, o, keep...)
	}
	v, r, err := stillView(ctx, rec, o, keep...)
	if err != nil {
		return nil, err
	}
	return v, r.showVolumes(v.root, false)
}

func (j *copying) run(ctx context.Context) error {
	if j.from.place.stream() {
		return j.unpack(ctx)
	}
	source, err := j.from.root.Find(j.from.place.Path)
	if err != nil {
		return err
	}
	defer source.Close()
	if !source.Exists() {
		return fmt.Errorf("%s: %w", j.from.place, unix.ENOENT)
	}
	name, contents := sourceName(j.from.place.Path, source)
	if j.to.place.stream() {
		return j.pack(ctx, source, name)
	}
	dest, err := j.to.root.Find(j.to.place.Path)
	if err != nil {
		return err
	}
	defer dest.Close()
	base, top, err := j.target(source, dest, name, contents)
	if err != nil {
		return err
	}
	w := j.writer(base)
	walker := j.walker()
	walker.Into = base
	if err := j.send(ctx, walker, source, top, w); err != nil {
		return err
	}
	return w.Close()
}

// sourceName is what the source is called where it arrives, and whether its
// contents are meant and not itself.
func sourceName(typed string, f transfer.Found) (name string, contents bool) {
	name = path.Base(strings.TrimRight(typed, "/"))
	if f.Dir != nil && (f.Parent == nil || name == "." || name == ".." || name == "/") {
		return ".", true
	}
	return name, false
}

// target decides into which directory the source goes, and under which name
// (podman-cp(1) and docker-container-cp(1) agree).
func (j *copying) target(source, dest transfer.Found, name string, contents bool) (base *os.File, top string, err error) {
	isDir := source.Dir != nil
	switch {
	case dest.Dir != nil && contents:
		return dest.Dir, ".", nil
	case dest.Dir != nil:
		return dest.Dir, name, nil
	case !dest.Exists() && !isDir && strings.HasSuffix(j.to.place.Path, "/"):
		return nil, "", fmt.Errorf("%s: %w: a file goes into a directory that exists", j.to.place, unix.ENOENT)
	case !dest.Exists():
		return dest.Parent, dest.Base, nil
	case isDir && !j.options.Overwrite:
		return nil, "", fmt.Errorf("%s: destination must be a directory when copying a directory", j.to.place)
	case dest.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, "", fmt.Errorf("%s: %w", j.to.place, transfer.ErrSpecial)
	}
	return dest.Parent, dest.Base, nil
}

func (j *copying) send(ctx context.Context, w *transfer.Walker, source transfer.Found, top string, to transfer.Sink) error {
	if source.Dir != nil {
		return w.Walk(ctx, source.Dir, top, to)
	}
	switch source.Mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFIFO:
		return w.File(ctx, source.Parent, source.Base, top, to)
	}
	return fmt.Errorf("%s: %w", j.from.place, transfer.ErrSpecial)
}

// pack writes the source as a tar stream.
func (j *copying) pack(ctx context.Context, source transfer.Found, name string) error {
	sink := transfer.NewTarSink(j.engine.Stdout)
	sink.Warn = j.engine.Warn
	w := j.walker()
	w.Xattrs = true
	if err := j.send(ctx, w, source, name, sink); err != nil {
		return err
	}
	return sink.Close()
}

// unpack reads a tar stream into a directory.
func (j *copying) unpack(ctx context.Context) error {
	dest, err := j.to.root.Find(j.to.place.Path)
	if err != nil {
		return err
	}
	defer dest.Close()
	if dest.Dir == nil {
		return fmt.Errorf("%s: destination must be a directory when copying from stdin", j.to.place)
	}
	w := j.writer(dest.Dir)
	if err := transfer.ReadTar(ctx, j.engine.Stdin, w); err != nil {
		return err
	}
	return errors.Join(w.Close(), drain(j.engine.Stdin))
}

// drain lets whoever writes the archive finish: it may be padded.
func drain(r io.Reader) error {
	_, err := io.Copy(io.Discard, r)
	return err
}

func (j *copying) walker() *transfer.Walker {
	w := &transfer.Walker{Warn: j.engine.Warn}
	switch {
	case j.from.view != nil:
		w.Owners = &j.from.view.owners
	case j.to.view != nil: // the caller's files, as a bind mount would show them
		w.Owners = &j.to.view.owners
	}
	return w
}

func (j *copying) writer(base *os.File) *transfer.Writer {
	w := &transfer.Writer{Base: base, Overwrite: j.options.Overwrite, Warn: j.engine.Warn}
	if v := j.to.view; v != nil {
		w.KeepSetID = true
		w.Own = func(e *transfer.Entry) (uint32, uint32, error) {
			if j.options.KeepOwners {
				return v.owners.Outer(e.UID, e.GID)
			}
			return v.owners.Outer(v.rec.UID, v.rec.GID)
		}
	}
	return w
}
