package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// PayloadOf collects what there is of the things to try: executables, image tars
// and, from the sources at root, what the system administrator would install.
func PayloadOf(root, bin, images string) Payload {
	p := Payload{}
	for name, source := range map[string]string{
		"bin":     bin,
		"images":  images,
		"selinux": filepath.Join(root, "security", "selinux"),
		"contrib": filepath.Join(root, "contrib"),
	} {
		if _, err := os.Stat(source); err == nil {
			p[name] = source
		}
	}
	return p
}

// The label of the payload is one that every domain may read and execute.
const mountPayload = `mountpoint -q /mnt/payload || mount -o ro,context=system_u:object_r:bin_t:s0 LABEL=payload /mnt/payload`

// installBurrow does what `make install` does, for the executables.
const installBurrow = `set -e
[ -e /mnt/payload/bin/burrow ] || { echo "bin/burrow is not built: make build" >&2; exit 1; }
for f in /mnt/payload/bin/burrow*; do install -m 0755 "$f" /usr/local/bin/; done
restorecon -R /usr/local/bin`

// MountPayload makes the payload visible at /mnt/payload.
func (m *Machine) MountPayload(ctx context.Context) error {
	return m.script(ctx, "root", mountPayload)
}

// InstallBurrow copies the executables of the payload to /usr/local/bin.
func (m *Machine) InstallBurrow(ctx context.Context) error {
	return m.script(ctx, "root", installBurrow)
}

func (m *Machine) script(ctx context.Context, user, script string) error {
	r, err := m.Run(ctx, user, script)
	if err != nil {
		return err
	}
	if r.Code != 0 {
		return fmt.Errorf("script ended with %d: %w", r.Code, errors.New(r.Stderr))
	}
	return nil
}
