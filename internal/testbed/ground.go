package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// Ground is a directory that every user can read, with copies of what a child
// needs: the tree that is tested may be in root's home.
type Ground struct {
	Dir     string
	Bin     string // executables under test
	Scripts string // what Add put there
}

// NewGround lays out a ground with the executables; remove it with Remove.
func NewGround(ctx context.Context) (*Ground, error) {
	from, err := Binaries(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/var/tmp", "burrow-e2e-")
	if err != nil {
		return nil, err
	}
	g := &Ground{Dir: dir, Bin: filepath.Join(dir, "bin"), Scripts: filepath.Join(dir, "script")}
	for _, d := range []string{g.Bin, g.Scripts} {
		err = errors.Join(err, os.Mkdir(d, 0o755))
	}
	err = errors.Join(err, os.Chmod(dir, 0o755))
	for _, p := range programs {
		err = errors.Join(err, copyFile(filepath.Join(from, p), filepath.Join(g.Bin, p), 0o755))
	}
	if err != nil {
		return nil, errors.Join(err, g.Remove())
	}
	return g, nil
}

// Add copies a file to the ground and returns where it is now.
func (g *Ground) Add(from, sub string, mode os.FileMode) (string, error) {
	to := filepath.Join(g.Dir, sub, filepath.Base(from))
	return to, copyFile(from, to, mode)
}

// Remove deletes the ground.
func (g *Ground) Remove() error { return os.RemoveAll(g.Dir) }

// TestBinary puts the running test executable on the ground, once.
func (g *Ground) TestBinary() (string, error) {
	testBinary.Do(func() {
		self, err := os.Executable()
		if err == nil {
			err = copyFile(self, filepath.Join(g.Dir, "e2e.test"), 0o755)
		}
		testBinaryErr = err
	})
	if testBinaryErr != nil {
		return "", fmt.Errorf("copy the test executable: %w", testBinaryErr)
	}
	return filepath.Join(g.Dir, "e2e.test"), nil
}

var (
	testBinary    sync.Once
	testBinaryErr error
)
