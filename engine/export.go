package engine

import (
	"context"
	"io"

	"github.com/burrow-run/burrow/engine/transfer"
)

// Export writes a container's root filesystem as a tar stream, without what is
// mounted in it, with the container's IDs. The process must be in a mount
// namespace of its own.
func Export(ctx context.Context, ref string, to io.Writer, o Options) error {
	rec, err := Lookup(o.Dirs, ref)
	if err != nil {
		return err
	}
	v, _, err := stillView(ctx, rec, o)
	if err != nil {
		return err
	}
	defer v.close()
	sink := transfer.NewTarSink(to)
	sink.Warn = o.Warn
	w := transfer.Walker{Owners: &v.owners, Xattrs: true, Warn: o.Warn}
	if err := w.Walk(ctx, v.root, ".", topless{sink}); err != nil {
		return err
	}
	return sink.Close()
}

// topless leaves out the top directory itself, as others do.
type topless struct{ transfer.Sink }

func (t topless) Put(e *transfer.Entry) error {
	if e.Name == "." {
		return nil
	}
	return t.Sink.Put(e)
}
