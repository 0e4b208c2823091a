package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Dir is where users' locks and images are kept from one test run to the next.
const Dir = "/var/tmp/burrow-test"

// poolSize bounds how many scripts run at once.
const poolSize = 3

// User is somebody unprivileged who may run containers.
type User struct {
	Name     string
	UID, GID int
	Home     string
	Runtime  string // XDG_RUNTIME_DIR, may be empty
	groups   []uint32
	lock     *os.File // held while the user is in use; nil for the caller
}

// Root says whether this process may become other users.
func Root() bool { return os.Geteuid() == 0 }

// Self is the user who runs this process.
func Self() (*User, error) {
	u, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil {
		return nil, err
	}
	return fromAccount(u, os.Getenv("XDG_RUNTIME_DIR"))
}

// Take returns a user of the pool that nobody else uses, made if need be, and
// waits for one to become free. It needs root.
func Take(ctx context.Context) (*User, error) {
	for {
		for n := 1; n <= poolSize; n++ {
			u, err := take(ctx, fmt.Sprintf("burrow-e2e-%d", n))
			if err == nil || !errors.Is(err, unix.EWOULDBLOCK) {
				return u, err
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func take(ctx context.Context, name string) (*User, error) {
	lock, err := lockFile(ctx, filepath.Join(Dir, "users", name+".lock"), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		return nil, err
	}
	u, err := ensure(ctx, name)
	if err != nil {
		lock.Close()
		return nil, err
	}
	u.lock = lock
	return u, nil
}

// Give ends the use of a user that Take returned.
func (u *User) Give() {
	if u.lock != nil {
		u.lock.Close()
	}
}

// ensure makes the user with the script that people use too, one at a time:
// two that look for free sub-IDs at once would find the same.
func ensure(ctx context.Context, name string) (*User, error) {
	lock, err := lockFile(ctx, filepath.Join(Dir, "users", "useradd.lock"), unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	root, err := ModuleRoot()
	if err != nil {
		return nil, err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(root, "hack", "test-user.sh"), name).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("make user %s: %w: %s", name, err, out)
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	return fromAccount(u, "/run/user/"+u.Uid)
}

func fromAccount(a *user.User, runtime string) (*User, error) {
	u := &User{Name: a.Username, Home: a.HomeDir, Runtime: runtime}
	var err error
	if u.UID, err = strconv.Atoi(a.Uid); err != nil {
		return nil, err
	}
	if u.GID, err = strconv.Atoi(a.Gid); err != nil {
		return nil, err
	}
	ids, err := a.GroupIds()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, err
		}
		u.groups = append(u.groups, uint32(n))
	}
	return u, nil
}

// Command prepares a command that runs as the user with a login's environment.
func (u *User) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = u.environ()
	cmd.Dir = "/"
	u.Become(cmd)
	return cmd
}

// Become makes a command run as the user.
func (u *User) Become(cmd *exec.Cmd) {
	if os.Geteuid() != u.UID {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Credential: &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID), Groups: u.groups},
		}
	}
}

// environ is what a login gives, plus how Go programs are to behave.
func (u *User) environ() []string {
	env := []string{
		"HOME=" + u.Home, "USER=" + u.Name, "LOGNAME=" + u.Name, "SHELL=/bin/sh", "LANG=C.UTF-8",
		"PATH=" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + u.Runtime,
	}
	for _, kv := range os.Environ() {
		if strings.HasPrefix(kv, "BURROW_TEST_") || strings.HasPrefix(kv, "GOTRACEBACK=") {
			env = append(env, kv)
		}
	}
	return env
}

// SubIDs returns the host UIDs that are the user's: his own and his sub-UIDs.
func (u *User) SubIDs() ([][2]int, error) {
	out := [][2]int{{u.UID, 1}}
	b, err := os.ReadFile("/etc/subuid")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 || (f[0] != u.Name && f[0] != strconv.Itoa(u.UID)) {
			continue
		}
		start, err1 := strconv.Atoi(f[1])
		count, err2 := strconv.Atoi(f[2])
		if err := errors.Join(err1, err2); err != nil {
			return nil, fmt.Errorf("/etc/subuid: %w", err)
		}
		out = append(out, [2]int{start, count})
	}
	return out, nil
}

// Owns says whether uid is among ranges, which SubIDs returned.
func Owns(ranges [][2]int, uid int) bool {
	return slices.ContainsFunc(ranges, func(r [2]int) bool { return uid >= r[0] && uid < r[0]+r[1] })
}

// lockFile opens and locks path; the lock goes with the returned file.
func lockFile(ctx context.Context, path string, how int) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(f.Fd()), how)
		if !errors.Is(err, unix.EINTR) || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, os.NewSyscallError("flock "+path, err)
	}
	return f, nil
}
