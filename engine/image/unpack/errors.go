package unpack

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

var (
	// ErrInvalid means that the layer is not a tar stream, or has an entry that
	// must not be unpacked.
	ErrInvalid = errors.New("invalid layer")
	// ErrLimit means that the layer is larger than allowed.
	ErrLimit = errors.New("layer exceeds a limit")
	// ErrUnmapped means that an entry belongs to an ID that this user
	// namespace does not have.
	ErrUnmapped = errors.New("owner has no ID in this user namespace")
)

// entryError names the entry that cannot be unpacked.
func entryError(name string, err error) error {
	if f := (*failure)(nil); errors.As(err, &f) { // of an earlier one
		name, err = f.name, f.err
	}
	if errors.Is(err, ErrLimit) || errors.Is(err, ErrUnmapped) {
		return fmt.Errorf("layer entry %.300q: %w", name, err)
	}
	if errors.Is(err, errRead) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("layer entry %.300q: %w", name, err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends in the middle of entry %.300q", ErrInvalid, name)
	}
	return fmt.Errorf("%w: entry %.300q: %w", ErrInvalid, name, err)
}
