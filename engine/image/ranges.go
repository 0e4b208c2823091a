package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/engine/image/chunked"
)

// ranger fetches parts of blobs from a source of the image library. The library's
// method takes a list of structs whose type only it can name; so it is called by
// reflection. Were it to change, layers would be fetched whole, and a test would
// fail.
type ranger struct {
	getBlobAt reflect.Value
	part      reflect.Type // struct{Offset, Length uint64}
	// most is how many parts the registry sends at once: 0 is none, it ignores what
	// part is asked for.
	most int
}

// Of a request, so many parts: some servers refuse more.
const maxParts = 64

// newRanger returns nil for a source that cannot deliver parts.
func newRanger(src types.ImageSource) *ranger {
	if can, ok := src.(interface{ SupportsGetBlobAt() bool }); !ok || !can.SupportsGetBlobAt() {
		return nil
	}
	m := reflect.ValueOf(src).MethodByName("GetBlobAt")
	if !m.IsValid() {
		return nil
	}
	t := m.Type()
	want := reflect.TypeFor[func(context.Context, types.BlobInfo, []struct{}) (chan io.ReadCloser, chan error, error)]()
	if t.NumIn() != want.NumIn() || t.NumOut() != want.NumOut() || t.IsVariadic() || t.In(2).Kind() != reflect.Slice {
		return nil
	}
	for i := range 2 {
		if t.In(i) != want.In(i) {
			return nil
		}
	}
	for i := range want.NumOut() {
		if t.Out(i) != want.Out(i) {
			return nil
		}
	}
	part := t.In(2).Elem()
	if part.Kind() != reflect.Struct || part.NumField() != 2 {
		return nil
	}
	for _, name := range []string{"Offset", "Length"} {
		if f, ok := part.FieldByName(name); !ok || f.Type.Kind() != reflect.Uint64 {
			return nil
		}
	}
	return &ranger{getBlobAt: m, part: part}
}

// answer is what comes for one request: a stream for each part.
type answer struct {
	streams chan io.ReadCloser
	errs    chan error
}

// ask requests parts of a blob. The caller calls drop.
func (r *ranger) ask(ctx context.Context, info types.BlobInfo, ranges []chunked.Range) (*answer, error) {
	info.URLs = nil // nobody is asked but the source itself
	list := reflect.MakeSlice(reflect.SliceOf(r.part), len(ranges), len(ranges))
	for i, x := range ranges {
		list.Index(i).FieldByName("Offset").SetUint(uint64(x.From))
		list.Index(i).FieldByName("Length").SetUint(uint64(x.Len()))
	}
	out := r.getBlobAt.Call([]reflect.Value{reflect.ValueOf(ctx), reflect.ValueOf(info), list})
	if err, ok := out[2].Interface().(error); ok && err != nil {
		return nil, err
	}
	streams, ok := out[0].Interface().(chan io.ReadCloser)
	errs, ok2 := out[1].Interface().(chan error)
	if !ok || !ok2 {
		return nil, errors.New("bug: the image library returns something else")
	}
	return &answer{streams, errs}, nil
}

// next returns the next part, which must be closed before the one after it comes.
func (a *answer) next(ctx context.Context) (io.ReadCloser, error) {
	errs := a.errs
	for {
		select {
		case s, ok := <-a.streams:
			if !ok {
				return nil, io.ErrUnexpectedEOF
			}
			return s, nil
		case err, ok := <-errs:
			if ok {
				return nil, err
			}
			errs = nil // closed beside the streams
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// drop lets go of what still comes. The context of the request must have ended,
// or all parts have come.
func (a *answer) drop() {
	go func() {
		for s := range a.streams {
			_ = s.Close()
		}
	}()
	go func() {
		for range a.errs { //nolint:revive // nobody wants them any more
		}
	}()
}

// The first bytes of a zstd frame.
const zstdMagic = "\x28\xb5\x2f\xfd"

// probe finds out how many parts the registry sends at once: asked for two, in
// the wrong order, only one that does what it is asked for sends them so.
func (r *ranger) probe(ctx context.Context, info types.BlobInfo) {
	two := []chunked.Range{{From: 2, To: 3}, {From: 0, To: 1}}
	if got, _, err := r.sample(ctx, info, two); err == nil && got == zstdMagic[2:3]+zstdMagic[:1] {
		r.most = maxParts
		return
	}
	// A body that is not a part is wrapped by the library, to look like one.
	one := []chunked.Range{{From: 0, To: int64(len(zstdMagic))}}
	if got, wrapped, err := r.sample(ctx, info, one); err == nil && !wrapped && got == zstdMagic {
		r.most = 1
	}
}

// sample fetches small parts.
func (r *ranger) sample(ctx context.Context, info types.BlobInfo, ranges []chunked.Range) (got string, wrapped bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	a, err := r.ask(ctx, info, ranges)
	if err != nil {
		cancel()
		return "", false, err
	}
	defer a.drop()
	defer cancel()
	for _, x := range ranges {
		s, err := a.next(ctx)
		if err != nil {
			return "", false, err
		}
		b := make([]byte, x.Len())
		_, err = io.ReadFull(s, b)
		wrapped = strings.HasSuffix(reflect.Indirect(reflect.ValueOf(s)).Type().PkgPath(), "image/v5/docker")
		_ = s.Close() // it was only read
		if err != nil {
			return "", false, err
		}
		got += string(b)
	}
	return got, wrapped, nil
}

// parts reads ranges of a blob one after another, as the registry sends them. It
// never ends: who reads it knows how much there is.
type parts struct {
	ctx  context.Context //nolint:containedctx // a reader's, for as long as it is open
	dog  *watchdog
	from *ranger
	info types.BlobInfo

	token string // is read first
	left  []chunked.Range
	now   *answer
	known []chunked.Range // that were asked for in the last request, and have not come
	cur   io.ReadCloser
	rest  int64 // of cur
}

var errNoMore = errors.New("bug: more is read of a blob than was asked for")

// newParts asks for nothing before it is read.
func newParts(ctx context.Context, stall time.Duration, from *ranger, info types.BlobInfo, ranges []chunked.Range, token string) *parts {
	ctx, dog := watch(ctx, stall)
	dog.timer.Stop()
	return &parts{ctx: ctx, dog: dog, from: from, info: info, left: ranges, token: token}
}

func (p *parts) Read(b []byte) (int, error) {
	if p.token != "" {
		n := copy(b, p.token)
		p.token = p.token[n:]
		return n, nil
	}
	p.dog.timer.Reset(p.dog.stall) // time that the reader took is not the source's
	defer p.dog.timer.Stop()
	if p.rest == 0 {
		if err := p.next(); err != nil {
			return 0, p.dog.explain(err)
		}
	}
	n, err := p.cur.Read(b[:min(int64(len(b)), p.rest)])
	p.rest -= int64(n)
	if err != nil && (p.rest > 0 || !errors.Is(err, io.EOF)) {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return n, p.dog.explain(err)
	}
	return n, nil
}

// next opens the next range.
func (p *parts) next() error {
	p.shut()
	if len(p.known) == 0 {
		if len(p.left) == 0 {
			return errNoMore
		}
		n := min(len(p.left), p.from.most)
		p.known, p.left = p.left[:n], p.left[n:]
		a, err := p.from.ask(p.ctx, p.info, p.known)
		if err != nil {
			return err
		}
		if p.now != nil {
			p.now.drop()
		}
		p.now = a
	}
	s, err := p.now.next(p.ctx)
	if err != nil {
		return fmt.Errorf("part of a blob: %w", err)
	}
	p.cur, p.rest, p.known = s, p.known[0].Len(), p.known[1:]
	return nil
}

func (p *parts) shut() {
	if p.cur != nil {
		_ = p.cur.Close() // it was only read
		p.cur = nil
	}
}

// Close ends what is under way.
func (p *parts) Close() error {
	p.dog.stop()
	p.shut()
	if p.now != nil {
		p.now.drop()
	}
	return nil
}
