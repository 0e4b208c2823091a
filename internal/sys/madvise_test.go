package sys

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestUnchanged(t *testing.T) {
	area := func(addresses, rights, path, anonymous, swap string) string {
		return addresses + " " + rights + " 00001000 fe:00 12                             " + path + "\n" +
			"Size:                  4 kB\nAnonymous:             " + anonymous + " kB\nSwap:                  " + swap + " kB\nVmFlags: rd ex mr \n"
	}
	smaps := area("1000-2000", "r-xp", "/bin/x", "0", "0") +
		area("2000-3000", "r--p", "/bin/x", "8", "0") + // relocated
		area("3000-4000", "r--p", "/bin/x", "0", "8") +
		area("4000-5000", "rw-p", "/bin/x", "0", "0") +
		area("5000-6000", "r--p", "/bin/y", "0", "0") +
		area("6000-7000", "r--p", "", "0", "0") +
		area("7ffe00ee7000-7ffe00f08000", "r--p", "/bin/x", "0", "0")
	got, err := unchanged(strings.NewReader(smaps), "/bin/x")
	want := []addresses{{0x1000, 0x2000}, {0x7ffe00ee7000, 0x7ffe00f08000}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%x %v", got, err)
	}
	if _, err := unchanged(strings.NewReader(area("x-y", "r--p", "/bin/x", "0", "0")), "/bin/x"); err == nil {
		t.Error("nonsense is understood")
	}
}

func TestDropExecutable(t *testing.T) {
	if err := DropExecutable(); err != nil {
		t.Fatal(err)
	}
	// Nothing that was written is lost: a page of a file that is private, written
	// and then read-only.
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, os.Getpagesize()), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	page, err := unix.Mmap(int(f.Fd()), 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(page) }()
	page[0] = 7
	if err := unix.Mprotect(page, unix.PROT_READ); err != nil {
		t.Fatal(err)
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	found, err := unchanged(strings.NewReader(string(smaps)), path)
	if err != nil || len(found) != 0 || !strings.Contains(string(smaps), path) {
		t.Errorf("%x %v", found, err)
	}
}
