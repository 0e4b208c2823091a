package vm

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Payload is what the machine gets from the host: its path there, below
// /mnt/payload, and the file or directory on the host.
type Payload map[string]string

// disk writes the payload into a read-only ext4 image. mke2fs copies the tree
// itself, which needs neither root nor a mount.
func (p Payload) disk(ctx context.Context, dir string) (string, error) {
	tree := filepath.Join(dir, "payload")
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return "", fmt.Errorf("create payload: %w", err)
	}
	var size int64 = 8 << 20
	for name, source := range p {
		n, err := stage(filepath.Join(tree, name), source)
		if err != nil {
			return "", fmt.Errorf("stage payload: %w", err)
		}
		size += n
	}
	image := filepath.Join(dir, "payload.img")
	// A tenth more for inode tables and bitmaps; the file is sparse.
	kib := fmt.Sprintf("%dK", (size+size/10)>>10)
	cmd := exec.CommandContext(ctx, sbin("mke2fs"), "-q", "-t", "ext4", "-O", "^has_journal",
		"-m", "0", "-L", "payload", "-E", "root_owner=0:0", "-d", tree, image, kib)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("write payload disk: %w: %s", err, out)
	}
	if err := os.RemoveAll(tree); err != nil {
		return "", fmt.Errorf("remove payload tree: %w", err)
	}
	return image, nil
}

// stage copies a file or directory, as hard links where it can, and returns its size.
func stage(target, source string) (int64, error) {
	var size int64
	err := filepath.Walk(source, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		to := filepath.Join(target, rel)
		switch {
		case info.IsDir():
			return os.MkdirAll(to, 0o755)
		case info.Mode().IsRegular():
			size += info.Size() + 4096
			return linkOrCopy(to, path, info.Mode().Perm())
		default:
			return nil // sockets and links have no business in the payload
		}
	})
	return size, err
}

func linkOrCopy(to, from string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if os.Link(from, to) == nil {
		return nil
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	return err
}
