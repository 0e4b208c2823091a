package sys

import (
	"errors"
	"os"
)

// ReplaceFile gives path the content data, mode 0600: whoever reads it sees the
// old or the new one. tmp is where it is written first, in the same directory and
// nobody else's meanwhile; what an earlier call has left there is overwritten. If it is
// durable, that holds after a power failure too, once SyncDir has been called
// for the directory.
func ReplaceFile(tmp, path string, data []byte, durable bool) error {
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && durable {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		_ = os.Remove(tmp)
	}
	return err
}

// SyncDir makes the names in a directory last (fsync(2)).
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
