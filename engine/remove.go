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

	"github.com/burrow-run/burrow/engine/cgroup"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
	"github.com/burrow-run/burrow/internal/sys"
)

// ErrRunning means that the container must be stopped first.
var ErrRunning = errors.New("container is running")

// ownerPatience is how long a run whose container was killed gets to end too.
const ownerPatience = 5 * time.Second

// claimInterval is how often the record of a claimed container is looked at: it
// tells who has claimed it, and that may be a start.
const claimInterval = 50 * time.Millisecond

// Remove deletes a container; with force it is killed if it runs, and removed
// even if its record cannot be read.
func Remove(ctx context.Context, d paths.Dirs, ref string, force bool) (id string, err error) {
	rec, err := Lookup(d, ref)
	if errors.Is(err, ErrDamaged) && force {
		rec, err = Record{ID: rec.ID}, nil // without its directory: it is not read again
	}
	if err != nil {
		return "", err
	}
	if err := rec.notRequired(d); err != nil {
		return "", err
	}
	dir := filepath.Join(d.Containers(), rec.ID)
	ours := rec.Remove // --rm: what its own run does counts as done
	var hold *os.File
	for begin := time.Now(); hold == nil; {
		if rec.Running() || rec.starting() {
			if !force && !rec.Waiting() {
				return "", hint.New(fmt.Errorf("%s: %w", ref, ErrRunning), "burrow rm -f "+ref)
			}
			rec.markStopped() // else its supervisor would wait to start it again
			if err := rec.kill(ctx); err != nil {
				return "", err
			}
			ours = true
		}
		hold, err = awaitClaim(ctx, dir, claimInterval) // its run has yet to note the end
		switch {
		case errors.Is(err, os.ErrNotExist) && ours:
			rec.awaitOwner(ctx)
			return rec.ID, nil
		case errors.Is(err, os.ErrNotExist): // of several that remove it one does
			return "", fmt.Errorf("%w: %s", ErrNoContainer, ref)
		case err != nil && (!errors.Is(err, errClaimed) || time.Since(begin) > ownerPatience || ctx.Err() != nil):
			return "", fmt.Errorf("remove container %s: %w", ref, err)
		}
		// Who has or had it has written since: perhaps it runs, even without a supervisor.
		if rec = rec.refreshed(); hold != nil && rec.Running() {
			hold.Close()
			hold = nil
		}
	}
	defer hold.Close()
	cgroup.ReclaimAt(ctx, rec.Cgroup, rec.ID)
	if err := removeClaimed(d, rec); err != nil {
		return "", err
	}
	noteRemoved(d, rec)
	if rec.Name == "" {
		reclaimNames(d) // which one it had, the damaged record could not say
	}
	return rec.ID, nil
}

// starting says that a run has written the record and not yet started the container.
func (r Record) starting() bool {
	boot, err := bootID()
	return err == nil && boot == r.BootID && r.PID == 0 && !r.Exited && !r.Waits && r.Owner.Alive()
}

// awaitOwner gives the run whose container has just ended a moment to end too. Nothing
// depends on it: whoever looks then finds no trace.
func (r Record) awaitOwner(ctx context.Context) {
	for begin := time.Now(); r.Owner.Alive() && time.Since(begin) < ownerGrace && ctx.Err() == nil; {
		time.Sleep(time.Millisecond)
	}
}

// AwaitRemoved returns when a container with --rm, which has ended, is removed: a
// moment later, unless its supervisor was killed.
func AwaitRemoved(ctx context.Context, rec Record) {
	if rec.dir == "" || !rec.Remove {
		return
	}
	rec = rec.refreshed()
	for begin := time.Now(); time.Since(begin) < ownerPatience && ctx.Err() == nil && rec.Owner.Alive(); {
		if _, err := os.Lstat(rec.dir); errors.Is(err, os.ErrNotExist) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	rec.awaitOwner(ctx)
}

const ownerGrace = time.Second

// kill ends the container, or the run that is about to start it.
func (r Record) kill(ctx context.Context) error {
	target := sys.ProcID{PID: r.PID, Start: r.Start}
	if r.PID == 0 {
		target = r.Owner
	}
	fd, err := unix.PidfdOpen(target.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(fd)
	if !target.Alive() {
		return nil // the pid is another process by now
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return os.NewSyscallError("pidfd_send_signal", err)
	}
	for target.Alive() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}

// removeClaimed deletes a container whose directory the caller has claimed. Until
// its record goes it is listed as ever and can be removed again; from then on there is
// no such container, and what is left of it is on the list of what may be reclaimed.
func removeClaimed(d paths.Dirs, rec Record) error {
	dir := filepath.Join(d.Containers(), rec.ID)
	settleExecs(d, rec, true)
	if rec.abandoned() && rec.unseenEnd() {
		_ = settleTrail(d, rec, true) // its run was killed; on a full disk removing must go on
	}
	name := currentName(dir, rec.Name)
	if rec.Remove {
		if full, err := LoadRecord(dir); err == nil {
			defer func() { _ = dropTemporary(d, full) }()
		}
	}
	if isContainerID(rec.ID) {
		_ = unsettle(d, rec.ID) // on a full disk there is no list: a sweep finds it
	}
	if err := removeContents(dir); err != nil {
		return fmt.Errorf("remove container %s: %w", rec.ID, err)
	}
	if err := os.Remove(filepath.Join(dir, recordFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove container %s: %w", rec.ID, err)
	}
	releaseName(d, name, rec.ID)
	_ = os.Remove(attachSocket(rec.where(d), rec.ID)) // of a supervisor that was killed
	_ = os.Remove(healthSocket(rec.where(d), rec.ID))
	if err := sys.RemoveTree(dir); err != nil {
		return err
	}
	settle(d, rec.ID)
	return nil
}

// removeContents empties a container's directory but for the record and its details.
func removeContents(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == recordFile || e.Name() == detailsFile {
			continue
		}
		if err := sys.RemoveTree(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// reclaim removes what runs that were killed have left. It takes no lock and
// runs beside a container, never before one.
func (r *run) reclaim(ctx context.Context) (done <-chan struct{}) {
	ch := make(chan struct{})
	go func() {
		defer close(ch)
		Reclaim(r.opts.Dirs)
		if g := r.cgroup.group; g != nil {
			g.Reclaim(ctx)
		}
	}()
	return ch
}

// Reclaim removes what runs that were killed have left: containers started
// with --rm, directories without a record, names, half-made layers. It looks at
// those that may have left something only. What cannot be removed now is left to
// the next command.
func Reclaim(d paths.Dirs) {
	if !sweep(d) {
		reclaimUnsettled(d)
		reclaimShifted(d)
	}
}

// reclaimAll looks at every container, name and socket.
func reclaimAll(d paths.Dirs) {
	entries, err := os.ReadDir(d.Containers())
	if err != nil {
		return
	}
	for _, e := range entries {
		reclaimContainer(d, e.Name())
	}
	reclaimUnsettled(d)
	reclaimNames(d)
	reclaimShifted(d)
	reclaimSockets(d)
	reclaimVolumes(d)
	Secrets(d).Reclaim()
	reclaimCopyUps("/tmp")
}

// reclaimContainer removes a container that was to leave nothing, or never came
// to be, and whose run is gone.
func reclaimContainer(d paths.Dirs, id string) {
	dir := filepath.Join(d.Containers(), id)
	if strings.HasPrefix(id, newContainer) && !older(dir, time.Minute) {
		return // it is claimed right after it is made
	}
	rec, err := loadSummary(dir)
	lost := errors.Is(err, os.ErrNotExist)
	if !lost && (err != nil || !rec.Remove || !rec.abandoned()) {
		return
	}
	hold, err := claim(dir)
	if err != nil {
		return
	}
	defer hold.Close()
	rec.ID = id
	if removeClaimed(d, rec) == nil && !lost {
		noteRemoved(d, rec)
	}
}

func older(path string, age time.Duration) bool {
	info, err := os.Lstat(path)
	return err == nil && time.Since(info.ModTime()) > age
}

func sortNewest(records []*Record) {
	slices.SortFunc(records, func(a, b *Record) int { return b.Created.Compare(a.Created) })
}
