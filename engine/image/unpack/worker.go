package unpack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// WorkerName is argv[0] of the process that unpacks one layer and does nothing
// else. A program that is to be the worker calls [Worker] when it sees it.
const WorkerName = "burrow-unpack"

// The worker's descriptors. What it is told stands in argv[1], what it says
// goes to fdReport: one JSON object, then end of file.
//
//	caller                                worker
//	  ├─ 0 layer ───────────────────────────► confine itself
//	  ├─ 3 directory, becomes its root ─────► unpack
//	  ├─ 4 tar-split ◄──────────────────────┤
//	  └─ 5 report ◄─────────────────────────┘ exit
const (
	fdRoot   = 3
	fdSplit  = 4
	fdReport = 5
)

// order is what the caller tells the worker.
type order struct {
	Limits      Limits `json:"limits"`
	IgnoreChown bool   `json:"ignore_chown,omitempty"`
	FilesOnly   bool   `json:"files_only,omitempty"`
	Split       bool   `json:"split,omitempty"`
	Owned       bool   `json:"owned,omitempty"`
	Verified    string `json:"verified,omitempty"`
	// Length is how much of descriptor 0 is the layer; 0 is all of it.
	Length int64 `json:"length,omitempty"`
	// Plain asks for the decompressed stream on descriptor 4 and nothing else.
	Plain bool `json:"plain,omitempty"`
}

// report is what the worker says.
type report struct {
	Result Result `json:"result"`
	Kind   kind   `json:"kind,omitempty"`
	Error  string `json:"error,omitempty"`
}

// kind carries what errors.Is must still find on the caller's side.
type kind string

const (
	kindInvalid  kind = "invalid"
	kindLimit    kind = "limit"
	kindUnmapped kind = "unmapped"
	kindSpace    kind = "space"
	kindQuota    kind = "quota"
	kindOther    kind = "other"
)

func (k kind) sentinel() error {
	switch k {
	case kindInvalid:
		return ErrInvalid
	case kindLimit:
		return ErrLimit
	case kindUnmapped:
		return ErrUnmapped
	case kindSpace:
		return unix.ENOSPC
	case kindQuota:
		return unix.EDQUOT
	case kindOther:
	}
	return nil
}

func kindOf(err error) kind {
	for _, k := range []kind{kindLimit, kindUnmapped, kindSpace, kindQuota, kindInvalid} {
		if errors.Is(err, k.sentinel()) {
			return k
		}
	}
	return kindOther
}

// reported is an error from the other side of the pipe: text and sentinel.
type reported struct {
	text string
	is   error
}

func (r *reported) Error() string { return r.text }
func (r *reported) Unwrap() error { return r.is }

// maxReport bounds the report: a million owned entries fit.
const maxReport = 512 << 20

// InWorker does [Unpack] in a confined process made of the executable at path. Whatever a layer makes the decompressor or the tar
// reader do, it does it without network, without a view of the file system, and
// with the capabilities for its own directory only.
func InWorker(ctx context.Context, path string, root *os.File, r io.Reader, opts Options) (Result, error) {
	split, _ := opts.TarSplit.(*os.File)
	if opts.TarSplit != nil && split == nil {
		return Result{}, errors.New("bug: a worker writes tar-split to files only")
	}
	o := order{Limits: opts.Limits, IgnoreChown: opts.IgnoreChown, FilesOnly: opts.FilesOnly, Split: split != nil, Owned: opts.Owned, Verified: opts.Verified}
	rep, err := employ(ctx, path, o, root, split, r)
	return rep.Result, err
}

// PlainInWorker writes r, decompressed, to dst, in the same kind of process.
// empty is a directory for it to live in.
func PlainInWorker(ctx context.Context, path string, empty, dst *os.File, r io.Reader, limits Limits) error {
	_, err := employ(ctx, path, order{Limits: limits, Plain: true}, empty, dst, r)
	return err
}

// employ has a worker carry out o.
func employ(ctx context.Context, path string, o order, root, split *os.File, r io.Reader) (report, error) {
	if s, ok := r.(*Section); ok && s.left > 0 {
		r, o.Length = s.lend()
	}
	text, err := json.Marshal(o)
	if err != nil {
		return report{}, fmt.Errorf("start unpacker: %w", err)
	}
	in, out, err := os.Pipe()
	if err != nil {
		return report{}, fmt.Errorf("start unpacker: %w", err)
	}
	defer in.Close()
	cmd := exec.CommandContext(ctx, path)
	cmd.Args = []string{WorkerName, string(text)}
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{root, split, out}
	if split == nil {
		cmd.ExtraFiles[fdSplit-fdRoot] = out
	}
	var noise limited
	cmd.Stderr = &noise
	feed, err := newFeeder(cmd, r)
	if err == nil {
		err = cmd.Start()
	}
	_ = out.Close()
	if err != nil {
		feed.abort()
		return report{}, fmt.Errorf("start unpacker: %w", err)
	}
	feed.start()
	var rep report
	derr := json.NewDecoder(io.LimitReader(in, maxReport)).Decode(&rep)
	werr := cmd.Wait()
	rerr := feed.wait()
	return rep, judge(ctx, rep, derr, werr, rerr, noise.String())
}

// judge decides what went wrong first. An error of the source explains all
// that came after it.
func judge(ctx context.Context, rep report, derr, werr, rerr error, noise string) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case rerr != nil:
		return fmt.Errorf("%w: %w", errRead, rerr)
	case rep.Error != "":
		return &reported{rep.Error, rep.Kind.sentinel()}
	case derr != nil || werr != nil:
		return fmt.Errorf("unpacker died: %w", errors.Join(werr, errors.New(noise)))
	}
	return nil
}

// limited keeps the first line of what the worker wrote to standard error.
type limited struct{ b []byte }

func (l *limited) Write(p []byte) (int, error) {
	l.b = append(l.b, p[:min(len(p), 300-len(l.b))]...)
	return len(p), nil
}

func (l *limited) String() string {
	line, _, _ := strings.Cut(string(l.b), "\n")
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, line)
}

// feeder hands the layer to the worker: a file as it is, anything else through
// a pipe.
type feeder struct {
	r    io.Reader
	w, c *os.File // pipe ends; nil for a file
	err  atomic.Pointer[error]
	done chan struct{}
}

const pipeSize = 1 << 20

func newFeeder(cmd *exec.Cmd, r io.Reader) (*feeder, error) {
	f := &feeder{r: r, done: make(chan struct{})}
	if file, ok := r.(*os.File); ok {
		cmd.Stdin = file
		close(f.done)
		return f, nil
	}
	var err error
	if f.c, f.w, err = os.Pipe(); err != nil {
		close(f.done)
		return f, err
	}
	_, _ = unix.FcntlInt(f.w.Fd(), unix.F_SETPIPE_SZ, pipeSize) // a wish: the user's limit may be smaller
	cmd.Stdin = f.c
	return f, nil
}

func (f *feeder) start() {
	if f.w == nil {
		return
	}
	_ = f.c.Close()
	go f.copy()
}

func (f *feeder) copy() {
	defer close(f.done)
	defer f.w.Close()
	buf := make([]byte, chunkSize)
	for {
		n, err := f.r.Read(buf)
		if n > 0 {
			if _, werr := f.w.Write(buf[:n]); werr != nil {
				return // the worker has ended and will say why
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			f.err.Store(&err)
			return
		}
	}
}

// wait returns the error of the source. A source that hangs after the worker
// has ended is left alone: its owner closes it.
func (f *feeder) wait() error {
	select {
	case <-f.done:
	case <-time.After(time.Second):
	}
	if err := f.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (f *feeder) abort() {
	if f.w != nil {
		_ = f.c.Close()
		_ = f.w.Close()
	}
}
