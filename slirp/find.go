package slirp

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/hint"
)

func defaultPath() []string {
	return []string{"/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"}
}

// findProgram looks a helper up in directories that the caller trusts.
func findProgram(name string, dirs []string) (string, error) {
	if len(dirs) == 0 {
		dirs = defaultPath()
	}
	for _, d := range dirs {
		p := filepath.Join(d, name)
		st, err := os.Stat(p)
		if filepath.IsAbs(d) && err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	pkg, other := name, Pasta
	if name == string(Pasta) {
		pkg, other = "passt", Slirp4netns
	}
	return "", hint.New(fmt.Errorf("%w: %s", ErrHelperMissing, name),
		fmt.Sprintf("sudo apt-get install %s (or choose --network=%s or --network=none)", pkg, other))
}

// checkTun opens /dev/net/tun as the helper will, for a message that says what
// to do about it.
func checkTun() error {
	const dev = "/dev/net/tun"
	f, err := os.OpenFile(dev, os.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err == nil {
		return f.Close()
	}
	err = fmt.Errorf("%w: %w", ErrTun, err)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return hint.New(err, "sudo chmod 0666 "+dev+" (or choose --network=none)")
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return hint.New(err, "sudo modprobe tun (or choose --network=none)")
	}
	return err
}

func fdName(f *os.File) string { return strconv.Itoa(int(f.Fd())) }
