package transfer

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// fill copies an entry's content into a new file: by sharing blocks where the
// file system can (ioctl_ficlone(2)), else without the holes (lseek(2),
// SEEK_DATA), so that a file of a petabyte that holds nothing stays small.
func (w *Writer) fill(out *os.File, e *Entry) error {
	in, ok := e.Body.(*os.File)
	if !ok {
		return bodyError(e, copyExactly(out, e))
	}
	if unix.IoctlFileClone(int(out.Fd()), int(in.Fd())) == nil {
		return nil
	}
	return bodyError(e, sparse(out, in, e.Size))
}

func bodyError(e *Entry, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("copy %s: %w", nameOf(e.Name), err)
}

// copyExactly copies from a stream, which must have all that it announced.
func copyExactly(out *os.File, e *Entry) error {
	n, err := io.Copy(out, e.limited())
	if err == nil && n < e.Size {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// sparse copies the first size bytes of in but for the holes.
func sparse(out, in *os.File, size int64) error {
	fd := int(in.Fd())
	for at := int64(0); at < size; {
		data, err := unix.Seek(fd, at, unix.SEEK_DATA)
		switch {
		case errors.Is(err, unix.ENXIO): // nothing but a hole from here on
			return out.Truncate(size)
		case err != nil: // the file system does not know
			data = at
		}
		hole, err := unix.Seek(fd, data, unix.SEEK_HOLE)
		if err != nil || hole > size {
			hole = size
		}
		if data >= size {
			return out.Truncate(size)
		}
		if _, err := out.Seek(data, io.SeekStart); err != nil {
			return err
		}
		n, err := io.Copy(out, io.NewSectionReader(in, data, hole-data))
		if err != nil {
			return err
		}
		if n < hole-data {
			return nil // it has become shorter
		}
		at = hole
	}
	return nil
}
