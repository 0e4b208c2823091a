package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/sys"
)

// errClaimed means that a living process works in the directory.
var errClaimed = errors.New("in use by another burrow")

// claim makes a directory this process's own until the file is closed: nobody
// cleans up what is claimed. It ends with the process, however that ends, so a
// directory that can be claimed has lost its owner.
func claim(dir string) (*os.File, error) {
	f, err := sys.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	if err := sys.TryLockFile(f); err != nil {
		f.Close()
		if errors.Is(err, unix.EAGAIN) {
			return nil, fmt.Errorf("%s: %w", dir, errClaimed)
		}
		return nil, err
	}
	// Its last owner may have removed it between our open and our lock.
	mine, err := f.Stat()
	if err == nil {
		var now os.FileInfo
		if now, err = os.Stat(dir); err == nil && !os.SameFile(mine, now) {
			err = fmt.Errorf("%s: %w", dir, os.ErrNotExist)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// awaitClaim claims a directory whose owner is about to leave it.
func awaitClaim(ctx context.Context, dir string, patience time.Duration) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		f, err := claim(dir)
		if !errors.Is(err, errClaimed) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(2 * time.Millisecond):
		}
	}
}
