package image

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.podman.io/storage"
	"go.podman.io/storage/types"
	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/image/unpack"
	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/paths"
)

const driver = "overlay"

// Options configure a Store.
type Options struct {
	// Logger receives what is worth knowing but no error; nil discards.
	Logger *slog.Logger
	// Progress, if set, receives progress bars and warnings for a person.
	Progress io.Writer
	// Notice, if set, receives what a script may want to know too: what a short name
	// has been taken for.
	Notice io.Writer
	// Ask, if set, has a person choose between several images that a short name may
	// stand for, and returns the index of one.
	Ask func(question string, answers []string) (int, error)
	// SingleID says that this user namespace maps one ID only: owners of files
	// are then ignored.
	SingleID bool
	// Limits bound each layer; the zero value means [unpack.DefaultLimits].
	Limits unpack.Limits
	// Worker is an executable that calls [unpack.Worker] when its argv[0] is
	// [unpack.WorkerName]. Layers are unpacked in such a process; "" means in
	// this one, which only tests should want.
	Worker string
	// Stall is how long a source may send nothing; 0 means a minute.
	Stall time.Duration
	// UID is the user's outside the anchor.
	UID int
	// StorageConf says where else than in the usual places storage.conf is.
	StorageConf StorageConf
	// Getenv expands variables in storage.conf; nil: there are none.
	Getenv func(string) string
	// Users tells which containers were made from an image; nil means none.
	Users func(id string) ([]User, error)
}

// User is a container made from an image.
type User struct {
	Name    string
	Running bool
}

// Store is the user's images. Close it when done.
type Store struct {
	dirs  paths.Dirs
	root  string // of layers and images: dirs.Storage(), without links
	opts  Options
	log   *slog.Logger
	store storage.Store

	damaged map[string]bool // IDs of layers and of an image that are being mended
	mended  map[string]bool // IDs of layers that have been

	others   sync.Once
	beside   []*Store // additional stores, set by others
	unusable []error  // why others are not among them
	refused  error    // why there are none
	main     *Store   // of an additional store: whose; nil for the own one
	stamp    plan.Stamp

	scratch func() (*scratch, error)
	made    *scratch // what scratch returned
}

// Open opens the store of dirs, making it if need be.
func Open(dirs paths.Dirs, opts Options) (*Store, error) {
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if opts.Limits == (unpack.Limits{}) {
		opts.Limits = unpack.DefaultLimits()
	}
	if opts.Stall == 0 {
		opts.Stall = defaultStall
	}
	for _, d := range []string{dirs.Data, dirs.Run} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("open image store: %w", err)
		}
	}
	// Plans name layers by their paths, and others read them: not by a link that is
	// this caller's alone.
	root := dirs.Storage()
	if unlinked, err := filepath.EvalSymlinks(root); err == nil {
		root = unlinked
	}
	conf := types.StoreOptions{
		GraphRoot:       root,
		RunRoot:         filepath.Join(dirs.Run, "storage"),
		GraphDriverName: driver,
		// The library unpacks nothing: layers that come in parts are in partial.go.
		PullOptions: map[string]string{"enable_partial_images": "false", "convert_images": "false", "use_hard_links": "false"},
		GraphDriverOptions: []string{
			driver + ".skip_mount_home=true", // our mounts live in namespaces of their own
		},
	}
	if opts.SingleID {
		conf.GraphDriverOptions = append(conf.GraphDriverOptions, driver+".ignore_chown_errors=true")
	}
	st, err := storage.GetStore(conf)
	if err != nil {
		return nil, fmt.Errorf("open image store: %w", err)
	}
	s := &Store{dirs: dirs, root: root, opts: opts, log: log, store: st, mended: map[string]bool{}}
	s.scratch = sync.OnceValues(s.makeScratch)
	return s, nil
}

// Close releases the store.
func (s *Store) Close() error {
	s.others.Do(func() {})
	for _, o := range s.beside {
		o.store.Free()
	}
	s.store.Free()
	return s.dropScratch()
}

// layerDir is where overlay finds the content of a layer.
func (s *Store) layerDir(id string) string {
	return plan.LayerDir(s.root, id)
}

// exclusive runs fn while no other process changes the store. The kernel drops
// the lock if we die.
func (s *Store) exclusive(ctx context.Context, fn func() error) error {
	f, err := os.OpenFile(filepath.Join(s.dirs.Data, "images.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock image store: %w", err)
	}
	defer f.Close()
	if err := flock(ctx, f); err != nil {
		return fmt.Errorf("lock image store: %w", err)
	}
	return fn()
}

func flock(ctx context.Context, f *os.File) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
