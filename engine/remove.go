package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// ErrRunning means that the container must be stopped first.
var ErrRunning = errors.New("container is running")

// Remove deletes a container; with force it is killed if it runs.
func Remove(ctx context.Context, d paths.Dirs, ref string, force bool) (id string, err error) {
	rec, err := Lookup(d, ref)
	if err != nil {
		return "", err
	}
	if rec.Running() {
		if !force {
			return "", hint.New(fmt.Errorf("%s: %w", ref, ErrRunning), "burrow rm -f "+ref)
		}
		if err := kill(ctx, rec); err != nil {
			return "", err
		}
	}
	return rec.ID, removeFiles(d, rec)
}

func kill(ctx context.Context, rec Record) error {
	fd, err := unix.PidfdOpen(rec.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(fd)
	if !rec.Running() {
		return nil // the pid is another process by now
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return os.NewSyscallError("pidfd_send_signal", err)
	}
	for rec.Running() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}

// removeFiles deletes the record last: until then the container is still listed
// and can be removed again.
func removeFiles(d paths.Dirs, rec Record) error {
	dir := filepath.Join(d.Containers(), rec.ID)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if e.Name() == recordFile {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("remove container %s: %w", rec.Name, err)
		}
	}
	releaseName(d, rec.Name)
	return os.RemoveAll(dir)
}

// reclaim removes what runs that were killed have left. It takes no lock and
// runs beside a container, never before one.
func (r *run) reclaim() (done <-chan struct{}) {
	ch := make(chan struct{})
	go func() {
		defer close(ch)
		Reclaim(r.opts.Dirs)
	}()
	return ch
}

// Reclaim removes what runs that were killed have left: containers started
// with --rm, directories without a record, half-made shift layers. What cannot be
// removed now is left to the next command.
func Reclaim(d paths.Dirs) {
	entries, err := os.ReadDir(d.Containers())
	if err != nil {
		return
	}
	for _, e := range entries {
		dir := filepath.Join(d.Containers(), e.Name())
		rec, err := LoadRecord(dir)
		switch {
		case err == nil && rec.Remove && rec.abandoned():
			_ = removeFiles(d, rec)
		case errors.Is(err, os.ErrNotExist) && older(dir, time.Minute):
			_ = os.RemoveAll(dir) // died before it had a record
		}
	}
	shift, err := os.ReadDir(d.Shift())
	if err != nil {
		return
	}
	for _, e := range shift {
		if strings.HasPrefix(e.Name(), ".new-") && older(filepath.Join(d.Shift(), e.Name()), time.Hour) {
			_ = os.RemoveAll(filepath.Join(d.Shift(), e.Name()))
		}
	}
}

func older(path string, age time.Duration) bool {
	info, err := os.Lstat(path)
	return err == nil && time.Since(info.ModTime()) > age
}

func sortNewest(records []Record) {
	slices.SortFunc(records, func(a, b Record) int { return b.Created.Compare(a.Created) })
}
