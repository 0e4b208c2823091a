package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/transfer"
	"github.com/burrow-run/burrow/engine/volume"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
	"github.com/burrow-run/burrow/security"
)

// ExportVolume writes a volume's files as a tar stream, with the IDs that the
// containers see. A container may write to it meanwhile.
//
// Like ImportVolume it leaves the calling process without the right to execute
// anything: it reads what strangers wrote.
func ExportVolume(ctx context.Context, name string, to io.Writer, o Options) error {
	s := volumeStore(o.Dirs)
	v, dir, err := volumeFiles(s, name)
	if err != nil {
		return err
	}
	root, err := sys.OpenDir(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := confine("volume export"); err != nil {
		return err
	}
	sink := transfer.NewTarSink(to)
	sink.Warn = o.Warn
	owners := v.readers(o)
	w := transfer.Walker{Owners: &owners, Xattrs: true, Warn: o.Warn}
	if err := w.Walk(ctx, root, ".", sink); err != nil {
		return err
	}
	return sink.Close()
}

// ImportVolume adds what is in a tar stream, which may be compressed, to a
// volume. A volume that nobody has used yet gets a slice for the owners.
func ImportVolume(ctx context.Context, name string, from io.Reader, o Options) error {
	s := volumeStore(o.Dirs)
	lock, err := s.Lock(ctx, name)
	if err != nil {
		return missingVolume(err, name)
	}
	defer lock.Close()
	v, dir, err := volumeFiles(s, name)
	if err != nil {
		return err
	}
	if v.Owners.None() && v.kind.Type == volume.Directory {
		if err := v.firstOwners(ctx, s, o); err != nil {
			return err
		}
	}
	root, err := sys.OpenDir(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := confine("volume import"); err != nil {
		return err
	}
	owners := v.readers(o)
	w := &transfer.Writer{
		Base: root, KeepSetID: true, Warn: o.Warn,
		Own: func(e *transfer.Entry) (uint32, uint32, error) { return owners.Outer(e.UID, e.GID) },
	}
	if err := transfer.ReadTar(ctx, from, withTop{w}); err != nil {
		return err
	}
	return errors.Join(w.Close(), drain(from))
}

// files is a volume and what kind it is.
type files struct {
	volume.Volume
	kind volume.Mount
}

// volumeFiles is a volume and the directory of its files.
func volumeFiles(s volume.Store, name string) (f files, dir string, err error) {
	if f.Volume, err = s.Get(name); err != nil {
		return f, "", missingVolume(err, name)
	}
	if f.kind, err = f.Mount(); err != nil {
		return f, "", err
	}
	switch {
	case f.kind.Type == volume.Tmpfs:
		return f, "", fmt.Errorf("volume %s is a tmpfs: it has no files but in the container that mounts it", name)
	case f.kind.Type == volume.Bind:
		return f, f.kind.Source, nil
	case f.Moving != nil:
		return f, "", hint.New(fmt.Errorf("volume %s: giving its files to other IDs was interrupted", name),
			"burrow run --rm -v "+name+":/data IMAGE true finishes it")
	}
	return f, s.Data(name), nil
}

// readers are the owners of the files as containers number them. What is not a
// container's own is the anchor's.
func (f files) readers(o Options) transfer.Owners {
	if f.Owners.None() {
		return transfer.Owners{UIDs: wholeAnchor(o.UIDs), GIDs: wholeAnchor(o.GIDs)}
	}
	return transfer.Owners{UIDs: f.Owners.UIDs, GIDs: f.Owners.GIDs}
}

// firstOwners gives a new volume the IDs that a container would give it.
func (f *files) firstOwners(ctx context.Context, s volume.Store, o Options) error {
	r := &run{opts: o, id: "import of " + f.Name}
	defer r.cleanUp()
	if onlySelf(o.UIDs) {
		r.mode.Kind = idmap.Single
	}
	if err := r.takeSlice(ctx); err != nil {
		return err
	}
	mine := volume.Owners{UIDs: r.uids, GIDs: r.gids}
	f.Filled = true
	if err := r.claimVolume(s, f.Volume, mine); err != nil {
		return err
	}
	now, err := s.Get(f.Name)
	f.Volume = now
	return err
}

// confine takes from this process what reading a stranger's files does not need.
func confine(what string) error {
	program := security.MonitorProgram()
	if program == nil {
		return nil
	}
	if err := sys.FilterAllThreads(program); err != nil {
		return fmt.Errorf("confine %s: %w", what, err)
	}
	return nil
}

// withTop gives the top directory what the stream says of it, too.
type withTop struct {
	*transfer.Writer
}

// Put makes one file.
func (t withTop) Put(e *transfer.Entry) error {
	if e.Name != "." || e.Mode&unix.S_IFMT != unix.S_IFDIR {
		return t.Writer.Put(e)
	}
	uid, gid, err := t.Own(e)
	if err != nil {
		return err
	}
	if err := t.Base.Chown(int(uid), int(gid)); err != nil {
		return err
	}
	return os.NewSyscallError("fchmod", unix.Fchmod(int(t.Base.Fd()), e.Mode&0o7777))
}
