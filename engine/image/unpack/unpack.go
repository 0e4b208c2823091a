package unpack

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Options change how a layer is unpacked. The zero value has no limits.
type Options struct {
	Limits Limits
	// IgnoreChown leaves files to the caller where their owner has no ID here.
	IgnoreChown bool
	// FilesOnly refuses everything but directories and regular files: what an
	// archive of data may hold, as opposed to a root file system.
	FilesOnly bool
	// Verified is the SHA-256, in hex, that the caller compares r with: where r is
	// not compressed that is its diff ID, and needs no computing. "" for none.
	Verified string
	// Owned asks for what [Scan] would find afterwards.
	Owned bool
	// noUmask says that this process takes nothing off the mode of a new file.
	noUmask bool
	// TarSplit, if set, receives the compressed tar-split stream.
	TarSplit io.Writer
}

// Result is what was learned of the layer.
type Result struct {
	DiffID  string   `json:"diff_id"` // sha256 of the uncompressed stream, in hex
	Size    int64    `json:"size"`    // of the uncompressed stream
	Entries int64    `json:"entries"` // of the tar stream
	UIDs    []uint32 `json:"uids"`    // owners seen, ascending
	GIDs    []uint32 `json:"gids"`    // likewise
	Root    *uint32  `json:"root"`    // permission bits of the layer's root, if it has an entry
	Format  string   `json:"format"`  // of the compression, "" for none
	Skipped int64    `json:"skipped"` // devices left out
	Owned   []Owned  `json:"owned,omitempty"`
}

type unpacker struct {
	ctx   context.Context //nolint:containedctx // one call's state, never outlives it
	root  int
	opts  Options
	tr    *tar.Reader
	split *splitter
	meter *meter
	out   *writer

	lastDir    string // whose descriptor lastFD is, or ""
	lastFD     int
	lastLinked bool

	dirs       []dirMeta
	uids, gids map[uint32]struct{}
	foreign    []string // see mayBeForeign
	walk       bool     // foreign would not do
	exact      bool     // a new file has the mode that it is made with
	res        Result
}

// Unpack reads a layer from r into the empty directory root. It reads r to its
// end. On error the directory holds whatever came before.
func Unpack(ctx context.Context, root *os.File, r io.Reader, opts Options) (Result, error) {
	src, err := newStream(ctx, r, opts.Verified)
	if err != nil {
		return Result{}, err
	}
	defer src.stop()
	defer runtime.KeepAlive(root) // the unpacker has but its number
	u := &unpacker{
		ctx: ctx, root: int(root.Fd()), opts: opts, lastFD: -1,
		uids: map[uint32]struct{}{}, gids: map[uint32]struct{}{},
	}
	u.meter = &meter{limits: opts.Limits, in: src.compressed}
	u.split = newSplitter(src, opts.TarSplit)
	u.tr = tar.NewReader(u.split)
	defer u.forget()
	u.out = newWriter(u)
	defer u.out.stop()
	if err := u.run(); err != nil {
		return Result{}, errors.Join(u.split.abort(), err)
	}
	if err := u.split.close(); err != nil {
		return Result{}, fmt.Errorf("write tar-split: %w", err)
	}
	u.res.DiffID, u.res.Size, u.res.Format = src.sum(), src.size, src.format
	u.res.UIDs = slices.Sorted(maps.Keys(u.uids))
	u.res.GIDs = slices.Sorted(maps.Keys(u.gids))
	if opts.Owned {
		u.res.Owned, err = u.scan(root)
	}
	return u.res, err
}

func (u *unpacker) run() error {
	// The root of a fresh directory may have got set-group-ID from its parent.
	if err := unix.Fchmod(u.root, 0o755); err != nil {
		return os.NewSyscallError("fchmod", err)
	}
	// A default ACL, that of a directory in which a home is, say, would be in the way too.
	_, err := unix.Fgetxattr(u.root, "system.posix_acl_default", nil)
	u.exact = u.opts.noUmask && (errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP))
	for {
		hdr, err := u.tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return streamError(err)
		}
		if err := u.ctx.Err(); err != nil {
			return err
		}
		if err := u.meter.entry(); err != nil {
			return err
		}
		if err := u.entry(hdr); err != nil {
			return entryError(hdr.Name, err)
		}
	}
	if err := u.split.drain(u.meter); err != nil { // padding after the end mark
		return streamError(err)
	}
	if err := u.out.drain(); err != nil {
		return entryError("", err)
	}
	return u.finishDirs()
}

// streamError says whose fault an error in the middle of the stream is.
func streamError(err error) error {
	switch {
	case errors.Is(err, ErrLimit), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, errRead):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: it ends in the middle", ErrInvalid)
	case errors.Is(err, tar.ErrHeader):
		return fmt.Errorf("%w: it is no tar archive, or a broken one", ErrInvalid)
	}
	return fmt.Errorf("%w: %w", ErrInvalid, err)
}

func (u *unpacker) entry(hdr *tar.Header) error {
	if hdr.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	name, err := cleanName(hdr.Name)
	if err != nil {
		return err
	}
	if u.opts.FilesOnly {
		return u.plainFile(name, hdr)
	}
	if err := checkOwner(hdr); err != nil {
		return err
	}
	if name == "." {
		return u.rootEntry(hdr)
	}
	if base := path.Base(name); strings.HasPrefix(base, whiteoutPrefix) {
		return u.whiteout(path.Dir(name), base)
	}
	if inMetadata(name) {
		return nil
	}
	u.uids[uint32(hdr.Uid)] = struct{}{}
	u.gids[uint32(hdr.Gid)] = struct{}{}
	return u.create(name, hdr)
}

// plainFile makes an entry that nothing but its name and content matters of.
func (u *unpacker) plainFile(name string, hdr *tar.Header) error {
	mode := int64(0o600)
	switch hdr.Typeflag {
	case tar.TypeDir:
		mode = 0o700
	case tar.TypeReg, tar.TypeRegA: //nolint:staticcheck // old archives have TypeRegA
	default:
		return fmt.Errorf("type %q is neither file nor directory", hdr.Typeflag)
	}
	if name == "." {
		return nil
	}
	return u.create(name, &tar.Header{Name: hdr.Name, Typeflag: hdr.Typeflag, Size: hdr.Size, Mode: mode, ModTime: hdr.ModTime})
}

// cleanName returns the name relative to the layer's root.
func cleanName(s string) (string, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return "", errors.New("the name has a zero byte")
	}
	if s == "" {
		return "", errors.New("the name is empty")
	}
	name := path.Clean(s)
	switch {
	case name == "/":
		return ".", nil
	case path.IsAbs(name):
		return "", errors.New("the name is absolute")
	case name == ".." || strings.HasPrefix(name, "../"):
		return "", errors.New("the name leads out of the layer")
	}
	return name, nil
}

func checkOwner(hdr *tar.Header) error {
	for _, id := range []int{hdr.Uid, hdr.Gid} {
		if id < 0 || id >= 1<<32-1 {
			return fmt.Errorf("owner %d:%d is out of range", hdr.Uid, hdr.Gid)
		}
	}
	return nil
}

func (u *unpacker) rootEntry(hdr *tar.Header) error {
	if hdr.Typeflag != tar.TypeDir {
		return errors.New("the root is not a directory")
	}
	mode := uint32(hdr.Mode & 0o7777)
	u.res.Root = &mode
	u.uids[uint32(hdr.Uid)] = struct{}{}
	u.gids[uint32(hdr.Gid)] = struct{}{}
	u.dirs = append(u.dirs, newDirMeta(".", hdr))
	return nil
}
