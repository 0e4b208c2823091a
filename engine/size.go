package engine

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/sys"
)

// Size returns how many bytes a container has written, and how many its files
// have with those of its image. It must be asked for inside the anchor.
func Size(d paths.Dirs, rec Record) (written, total int64, err error) {
	if written, err = treeSize(filepath.Join(d.Containers(), rec.ID, "upper")); err != nil || rec.ImageID == "" {
		return written, written, err
	}
	p, err := plan.Read(d, rec.ImageID)
	if errors.Is(err, plan.ErrNotFound) {
		return written, written, nil // the image was removed by force
	}
	if err != nil {
		return 0, 0, err
	}
	total = written
	for _, l := range p.Layers {
		n, err := treeSize(l)
		if err != nil {
			return 0, 0, err
		}
		total += n
	}
	return written, total, nil
}

// treeSize is the length of all regular files below dir, each inode once. What
// vanishes meanwhile has none. A running container may write there. What lies too deep
// to be looked at is not counted.
func treeSize(dir string) (sum int64, err error) {
	root, err := sys.OpenDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer root.Close()
	seen := map[uint64]bool{}
	err = sys.WalkDeep(root, func(_ *os.File, _ string, st *unix.Stat_t) error {
		if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink > 1 && seen[st.Ino] {
			return nil
		}
		if st.Nlink > 1 {
			seen[st.Ino] = true
		}
		sum += st.Size
		return nil
	})
	if errors.Is(err, sys.ErrDeep) {
		return sum, nil // one container must not keep the others' sizes from being shown
	}
	return sum, err
}
