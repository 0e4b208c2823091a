package userns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/sys"
)

// Options say how the anchor is made.
type Options struct {
	Run  string    // directory for the pidfile, 0700 and ours
	UIDs idmap.Map // anchor ID to host UID; one entry 0 ↔ own UID means no sub-IDs
	GIDs idmap.Map
	Log  *slog.Logger // nil discards
	// Adopt is called with the new anchor's pid before anybody else can see it, to move it into a
	// cgroup of its own; its error is logged, for the anchor works without. May be nil.
	Adopt func(ctx context.Context, pid int) error
}

// helperTimeout bounds newuidmap: it may ask a directory server that hangs.
const helperTimeout = 5 * time.Second

// EnsureAnchor returns the user's anchor and makes it if there is none. Two
// commands that arrive at once make one.
//
// It must be called outside the anchor, by the user itself. Errors: ErrNoNamespaces,
// ErrMapHelper, ErrRunDir, each with advice.
func EnsureAnchor(ctx context.Context, o Options) (Anchor, error) {
	if a, err := Find(o.Run); !errors.Is(err, ErrNoAnchor) {
		return a, err
	}
	lock, err := lockRun(ctx, o.Run)
	if err != nil {
		return Anchor{}, err
	}
	defer lock.Close()
	if a, err := Find(o.Run); !errors.Is(err, ErrNoAnchor) {
		return a, err
	}
	return create(ctx, o)
}

func create(ctx context.Context, o Options) (_ Anchor, err error) {
	ready, release, err := os.Pipe()
	if err != nil {
		return Anchor{}, err
	}
	defer release.Close()
	cmd, err := startAnchor(ready)
	ready.Close()
	if err != nil {
		return Anchor{}, err
	}
	defer func() {
		if err != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	}()
	// The child is ours and not yet waited for, so its pid cannot be used again.
	pid := cmd.Process.Pid
	if err := writeMaps(ctx, pid, o.UIDs, o.GIDs); err != nil {
		return Anchor{}, err
	}
	if o.Adopt != nil {
		if err := o.Adopt(ctx, pid); err != nil && o.Log != nil {
			o.Log.Debug("anchor stays in the caller's cgroup", slog.Any("error", err))
		}
	}
	id, err := sys.ProcIDOf(pid)
	if err != nil {
		return Anchor{}, err
	}
	// The record comes first: if we are killed in between, the anchor ends with
	// us, and a record without anchor is harmless. The other way round, an anchor
	// that nobody knows would stay for good.
	a := Anchor{PID: pid, Start: id.Start}
	if err := record(o.Run, a); err != nil {
		return Anchor{}, err
	}
	if _, err := release.Write([]byte{1}); err != nil {
		return Anchor{}, fmt.Errorf("release anchor: %w", err)
	}
	return a, cmd.Process.Release()
}

// startAnchor starts this executable as the anchor. It must clone the
// namespaces rather than unshare them: Go is threaded. The child drops its
// capabilities at execve, because no ID is mapped yet.
func startAnchor(ready *os.File) (*exec.Cmd, error) {
	cmd := exec.Command("/proc/self/exe", "3") //nolint:noctx // the anchor outlives this command
	cmd.Args[0] = "burrow-anchor"
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{ready}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		Setsid:     true,
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoNamespaces, err)
	}
	return cmd, nil
}

// writeMaps gives the anchor its IDs. With nothing but the own ID no helper is needed.
func writeMaps(ctx context.Context, pid int, uids, gids idmap.Map) error {
	if single(uids) && single(gids) {
		return writeSingle(pid, uids, gids)
	}
	if err := runMapHelper(ctx, "newuidmap", pid, uids); err != nil {
		return err
	}
	return runMapHelper(ctx, "newgidmap", pid, gids)
}

func single(m idmap.Map) bool { return len(m) == 1 && m[0].Count == 1 }

// writeSingle maps the own ID alone: allowed without privilege once setgroups
// is denied for good (user_namespaces(7)).
func writeSingle(pid int, uids, gids idmap.Map) error {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	for _, w := range []struct{ file, text string }{
		{"uid_map", uids.String()},
		{"setgroups", "deny"},
		{"gid_map", gids.String()},
	} {
		if err := os.WriteFile(filepath.Join(dir, w.file), []byte(w.text), 0); err != nil {
			return fmt.Errorf("%w: %w", ErrNoNamespaces, err)
		}
	}
	return nil
}

// runMapHelper runs newuidmap or newgidmap, the only privileged programs that
// Burrow touches, once per anchor.
func runMapHelper(ctx context.Context, name string, pid int, m idmap.Map) error {
	path, err := exec.LookPath(name)
	if err != nil {
		return hint.New(fmt.Errorf("%w: %s: %w", ErrMapHelper, name, exec.ErrNotFound),
			"sudo apt-get install uidmap (Debian, Ubuntu) or sudo dnf install shadow-utils-subid (Fedora); "+
				"--userns=single runs without it")
	}
	ctx, cancel := context.WithTimeout(ctx, helperTimeout)
	defer cancel()
	args := []string{strconv.Itoa(pid)}
	for _, e := range m {
		args = append(args, u32(e.Container), u32(e.Host), u32(e.Count))
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = []string{"LC_ALL=C"}
	cmd.Stderr = &stderr
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return hint.New(fmt.Errorf("%w: %s did not answer within %s", ErrMapHelper, name, helperTimeout),
			"check that the name service answers: getsubids $USER")
	}
	said := strings.TrimSpace(firstLine(stderr.String()))
	if said == "" {
		said = err.Error()
	}
	return hint.New(fmt.Errorf("%w: %s: %s", ErrMapHelper, name, said), helperAdvice(path))
}

// helperAdvice looks at what usually is wrong with the helper itself.
func helperAdvice(path string) string {
	info, err := os.Stat(path)
	if err == nil && info.Mode()&os.ModeSetuid == 0 && !hasFileCaps(path) {
		return "sudo chmod u+s " + path
	}
	return "burrow doctor"
}

func record(run string, a Anchor) error {
	tmp := filepath.Join(run, pidfile+".new")
	text := fmt.Sprintf("%d %d\n", a.PID, a.Start)
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		return fmt.Errorf("%w: %w", ErrRunDir, err)
	}
	return os.Rename(tmp, filepath.Join(run, pidfile))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func u32(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// hasFileCaps says whether the file carries capabilities, as newuidmap does on
// distributions that avoid setuid.
func hasFileCaps(path string) bool {
	n, err := unix.Getxattr(path, "security.capability", nil)
	return err == nil && n > 0
}
