package sys

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestLockByte(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	a, b := open(), open()
	must := func(f *os.File, at int64, k LockKind) {
		t.Helper()
		if err := TryLockByte(f, at, k); err != nil {
			t.Fatal(err)
		}
	}
	others := func(f *os.File, at int64, want bool) {
		t.Helper()
		if got, err := OthersLockByte(f, at); err != nil || got != want {
			t.Errorf("OthersLockByte(%d) = %v, %v, want %v", at, got, err, want)
		}
	}
	must(a, 5, LockExclusive)
	others(a, 5, false) // one's own is not another's
	others(b, 5, true)
	others(b, 4, false)
	if err := TryLockByte(b, 5, LockShared); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("lock of a locked byte: %v, want EAGAIN", err)
	}
	must(a, 5, LockShared)
	must(b, 5, LockShared)
	others(a, 5, true)
	must(a, 5, Unlocked)
	others(a, 5, true)
	b.Close()
	others(a, 5, false)
}
