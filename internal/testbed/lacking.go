package testbed

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/probe"
)

// Lacking says why this host, for this user, lacks a condition of scripts, nil
// if it does not: userns, newuidmap, net, pasta, tty, loop, or an image's name.
func Lacking(cond string) (known bool, reason error) {
	switch cond {
	case "userns":
		return true, probe.UserNamespace.Err()
	case "newuidmap":
		return true, lackingIDs()
	case "net":
		return true, errors.Join(lacksProgram("slirp4netns"), lackingTUN())
	case "pasta":
		return true, errors.Join(lacksProgram("pasta"), lackingTUN())
	case "tty":
		return true, lacksProgram("tmux")
	case "loop":
		_, err := os.Stat("/dev/loop-control")
		return true, errors.Join(err, lacksProgram("mke2fs"))
	}
	for _, name := range Images {
		if cond == name {
			return true, HasImage(name)
		}
	}
	return false, nil
}

// Conditions are what scripts may ask for.
func Conditions() []string {
	return append([]string{"userns", "newuidmap", "net", "pasta", "tty", "loop"}, Images...)
}

func lackingIDs() error {
	if err := lacksProgram("newuidmap"); err != nil {
		return err
	}
	u, err := Self()
	if err != nil {
		return err
	}
	ranges, err := u.SubIDs()
	if err != nil {
		return err
	}
	if len(ranges) < 2 {
		return fmt.Errorf("%s has no sub-IDs: hack/test-user.sh", u.Name)
	}
	return nil
}

func lackingTUN() error {
	f, err := os.OpenFile("/dev/net/tun", os.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("%w: chmod 0666 /dev/net/tun", err)
	}
	return f.Close()
}

func lacksProgram(name string) error {
	if _, err := exec.LookPath(name); err != nil {
		return fmt.Errorf("%w: hack/install-deps.sh run test", err)
	}
	return nil
}
