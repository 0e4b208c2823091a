package security

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	categories = 1024 // c0..c1023, what every distribution's policy defines
	// The last pair, c1022,c1023, is the level of containers with label=disable.
	levelPairs = categories*(categories-1)/2 - 1
)

// Level is an MCS level that no other running container of this user has. The
// reservation is a lock on an open file: it ends with the last process that
// has it, however that process ends, and what stays behind is an empty file.
type Level struct {
	Value string // "s0:c12,c345"
	file  *os.File
}

// ReserveLevel takes a level. The same seed (the container's ID) gets the same
// level if that is free, so that a container that starts again finds its files
// labelled. Levels of different users may coincide; their IDs do not.
//
// The selinux library hands out unique levels too, but only within one process,
// and Burrow is one process per container.
func ReserveLevel(dir, seed string) (*Level, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("reserve MCS level: %w", err)
	}
	for attempt := range uint64(levelPairs) {
		l, err := tryLevel(dir, levelNumber(seed, attempt))
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("reserve MCS level: %w", err)
		}
	}
	return nil, fmt.Errorf("reserve MCS level: all are taken: %w", ErrLabel)
}

// levelNumber spreads seeds evenly, and goes elsewhere with each attempt.
func levelNumber(seed string, attempt uint64) uint64 {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(seed), attempt))
	return binary.BigEndian.Uint64(sum[:]) % levelPairs
}

// levelName numbers the pairs (0,1) (0,2) (1,2) (0,3) and so on.
func levelName(n uint64) string {
	high := uint64(1)
	for n >= high {
		n -= high
		high++
	}
	return fmt.Sprintf("s0:c%d,c%d", n, high)
}

func tryLevel(dir string, n uint64) (*Level, error) {
	name := levelName(n)
	path := filepath.Join(dir, name[len("s0:"):])
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	for {
		err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		_ = f.Close()
		return nil, &os.PathError{Op: "flock", Path: path, Err: err}
	}
	return &Level{Value: name, file: f}, nil
}

// File is the lock, to be handed to the process that outlives this one.
func (l *Level) File() *os.File { return l.file }

// Close gives the level back, unless another process holds the lock too.
func (l *Level) Close() error { return l.file.Close() }
