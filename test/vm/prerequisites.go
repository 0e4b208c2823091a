package vm

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"
)

// tool is a program the machine needs on the host, and the Debian package it is in.
type tool struct{ name, pkg string }

var (
	bootTools = []tool{
		{"qemu-system-x86_64", "qemu-system-x86"}, {"ssh", "openssh-client"}, {"mke2fs", "e2fsprogs"},
	}
	buildTools = []tool{
		{"debootstrap", "debootstrap"}, {"unshare", "util-linux"}, {"chroot", "coreutils"}, {"xz", "xz-utils"},
	}
)

// Prerequisites returns nil if the machine can be booted, built first if need be,
// or an error that says everything that is in the way.
func (r Recipe) Prerequisites(ctx context.Context) error {
	var why []string
	wanted := bootTools
	base, cached := r.Cached()
	if !cached {
		wanted = append(append([]tool{}, bootTools...), buildTools...)
		if os.Geteuid() != 0 && exec.CommandContext(ctx, "sudo", "-n", "true").Run() != nil {
			why = append(why, "building the machine needs root, or sudo without a password (once)")
		}
		if err := r.askMirror(ctx); err != nil {
			why = append(why, err.Error())
		}
	}
	if f, err := os.Open(base.key()); err == nil {
		f.Close()
	} else if cached {
		why = append(why, fmt.Sprintf("the machine in %s belongs to another user", base.Dir))
	}
	var missing, packages []string
	for _, t := range wanted {
		if _, err := exec.LookPath(t.name); err != nil && !inSbin(t.name) {
			missing, packages = append(missing, t.name), append(packages, t.pkg)
		}
	}
	if len(missing) > 0 {
		why = append(why, fmt.Sprintf("%s not installed (sudo apt-get install -y %s)",
			strings.Join(missing, ", "), strings.Join(packages, " ")))
	}
	if len(why) > 0 {
		return fmt.Errorf("%w: %s", ErrNoMachine, strings.Join(why, "; "))
	}
	return nil
}

func (r Recipe) askMirror(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	mirror, err := r.mirror()
	if err != nil {
		return err
	}
	url := mirror + "/dists/bookworm/InRelease"
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, url, nil)
	if err != nil {
		return fmt.Errorf("mirror: %w", err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("mirror: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("mirror: %s answers %s", url, answer.Status)
	}
	return nil
}

// inSbin looks where Debian keeps mke2fs and debootstrap, which the PATH of an
// ordinary user leaves out.
func inSbin(name string) bool {
	_, err := exec.LookPath(sbin(name))
	return err == nil
}

func sbin(name string) string { return "/usr/sbin/" + name }
