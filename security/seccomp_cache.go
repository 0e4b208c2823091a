package security

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A cache entry is
//
//	magic (8 bytes) | flags (4 bytes, host order) | zero (4 bytes) | instructions | SHA-256
//
// The checksum covers the key as well, so that an entry cannot stand under
// another's name. It guards against a torn or rotten file, not against the
// user, who may run what he likes unconfined anyway.
const (
	cacheMagic  = "BRWSECC\x01"
	cacheHeader = 16
)

var errCache = errors.New("unusable cache entry")

func cachePath(dir, key string) string { return filepath.Join(dir, key+".bpf") }

// readCache returns the program stored under key, or an error if there is none
// or anything about the file is not as writeCache makes it.
func readCache(dir, key string) (*Program, error) {
	fd, err := unix.Open(cachePath(dir, key), unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("open", err)
	}
	f := os.NewFile(uintptr(fd), key)
	defer func() { _ = f.Close() }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, os.NewSyscallError("fstat", err)
	}
	if err := checkEntry(&st); err != nil {
		return nil, err
	}
	data := make([]byte, st.Size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, err
	}
	return decodeEntry(key, data)
}

func checkEntry(st *unix.Stat_t) error {
	const smallest = cacheHeader + sizeofInstruction + sha256.Size
	const largest = cacheHeader + maxInstructions*sizeofInstruction + sha256.Size
	switch {
	case st.Mode != unix.S_IFREG|0o600:
		return fmt.Errorf("mode %o: %w", st.Mode, errCache)
	case st.Uid != uint32(os.Geteuid()):
		return fmt.Errorf("owner %d: %w", st.Uid, errCache)
	case st.Nlink != 1:
		return fmt.Errorf("%d links: %w", st.Nlink, errCache)
	case st.Size < smallest || st.Size > largest || st.Size%sizeofInstruction != 0:
		return fmt.Errorf("size %d: %w", st.Size, errCache)
	}
	return nil
}

func decodeEntry(key string, data []byte) (*Program, error) {
	body, sum := data[:len(data)-sha256.Size], data[len(data)-sha256.Size:]
	if want := entrySum(key, body); !bytes.Equal(sum, want[:]) {
		return nil, fmt.Errorf("checksum: %w", errCache)
	}
	if string(body[:len(cacheMagic)]) != cacheMagic {
		return nil, fmt.Errorf("magic: %w", errCache)
	}
	return &Program{
		Instructions: body[cacheHeader:],
		Flags:        binary.NativeEndian.Uint32(body[len(cacheMagic):]),
		Cached:       true,
	}, nil
}

func encodeEntry(key string, p *Program) []byte {
	data := append([]byte{}, cacheMagic...)
	data = binary.NativeEndian.AppendUint32(data, p.Flags)
	data = binary.NativeEndian.AppendUint32(data, 0)
	data = append(data, p.Instructions...)
	sum := entrySum(key, data)
	return append(data, sum[:]...)
}

func entrySum(key string, body []byte) [sha256.Size]byte {
	return sha256.Sum256(append([]byte(key), body...))
}

// writeCache stores a program: written aside, then renamed, so that a reader
// sees all of it or nothing. It is not fsynced: what a crash tears, the
// checksum finds.
func writeCache(dir, key string, p *Program) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*") // 0600, O_EXCL
	if err != nil {
		return err
	}
	_, err = f.Write(encodeEntry(key, p))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), cachePath(dir, key))
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}
