package testbed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Images are the names that Store imports, each from Dir/NAME.tar, which
// hack/test-fixtures.sh makes.
var Images = []string{"busybox", "debian"}

// HasImage says whether the image NAME can be imported, and if not, why.
func HasImage(name string) error {
	if _, err := os.Stat(filepath.Join(Dir, name+".tar")); err != nil {
		return fmt.Errorf("no image %s: make test, or hack/test-fixtures.sh %s: %w", name, name, err)
	}
	return nil
}

// Store returns an XDG_DATA_HOME of the user in which names are imported. It is
// kept for later runs and depends on the tars and the executable that reads them.
func (u *User) Store(ctx context.Context, bin string, names ...string) (string, error) {
	sum, err := fingerprint(bin, names)
	if err != nil {
		return "", err
	}
	base := filepath.Join(u.Home, ".cache", "burrow-e2e")
	kind := "store-" + strings.Join(names, "-") + "-"
	dir := filepath.Join(base, kind+sum)
	if complete(dir) {
		return dir, nil
	}
	if out, err := u.Command(ctx, "mkdir", "-p", base).CombinedOutput(); err != nil {
		return "", fmt.Errorf("make %s: %w: %s", base, err, out)
	}
	if u.lock == nil { // whoever took the user is alone already
		lock, err := lockFile(ctx, filepath.Join(base, "lock"), unix.LOCK_EX)
		if err != nil {
			return "", err
		}
		defer lock.Close()
	}
	if complete(dir) {
		return dir, nil
	}
	return dir, u.fill(ctx, bin, filepath.Join(base, kind), dir, names)
}

func complete(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "complete"))
	return err == nil
}

func (u *User) fill(ctx context.Context, bin, kind, dir string, names []string) error {
	script := `set -eu
		kind=$1 dir=$2 fixtures=$3; shift 3
		export XDG_RUNTIME_DIR=$(mktemp -d) XDG_STATE_HOME=${kind%/*}/state XDG_CACHE_HOME=${kind%/*}/cache
		trap 'burrow system migrate; rm -rf "$XDG_RUNTIME_DIR"' EXIT
		for old in "$dir" "$kind"*; do [ ! -e "$old" ] || burrow unshare rm -rf "$old"; done
		export XDG_DATA_HOME=$dir
		for name; do burrow import "$fixtures/$name.tar" "$name"; done
		touch "$dir/complete"`
	cmd := u.Command(ctx, "sh", append([]string{"-c", script, "sh", kind, dir, Dir}, names...)...)
	cmd.Env = append(cmd.Env, "PATH="+bin+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("import images for %s: %w\n%s", u.Name, err, out)
	}
	return nil
}

func fingerprint(bin string, names []string) (string, error) {
	h := sha256.New()
	f, err := os.Open(filepath.Join(bin, "burrow-image"))
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	for _, n := range names {
		info, err := os.Stat(filepath.Join(Dir, n+".tar"))
		if err != nil {
			return "", err
		}
		fmt.Fprintln(h, n, info.Size(), info.ModTime())
	}
	return hex.EncodeToString(h.Sum(nil))[:12], nil
}
