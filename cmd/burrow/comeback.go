package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/burrow-run/burrow/engine/cgroup"
	"github.com/burrow-run/burrow/engine/spec"
)

// restartUnit starts the containers that are to run after a boot (contrib/systemd/user).
const restartUnit = "burrow-restart.service"

// lingering is where logind notes whose service manager runs without a login.
const lingering = "/var/lib/systemd/linger/"

// comeBack sees to it that containers with a restart policy start again after a
// boot, and says what is in the way. It does so once: whoever disables the unit
// afterwards wants it so. Without a service manager there is nothing to be done,
// and no container fails for it.
func (a *app) comeBack(ctx context.Context, c caller, s spec.Spec) {
	switch s.Restart.Policy {
	case spec.RestartNo, spec.RestartOnFailure: // neither is started at boot
		return
	case spec.RestartAlways, spec.RestartUnlessStopped:
	}
	once := filepath.Join(c.dirs.State, "said-restart")
	if _, err := os.Lstat(once); err == nil {
		return
	}
	err := c.manager().Enable(ctx, restartUnit)
	if errors.Is(err, cgroup.ErrNoManager) {
		return // perhaps there is one another time
	}
	f, full := os.OpenFile(once, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if full != nil {
		return // another command is saying it, or the disk is full
	}
	f.Close()
	if err != nil {
		a.advise(fmt.Sprintf("containers with --restart do not come back after a reboot: %v", err),
			"install "+restartUnit+", then systemctl --user enable "+restartUnit)
		return
	}
	if _, err := os.Stat(lingering + c.name); errors.Is(err, os.ErrNotExist) {
		a.advise("containers with --restart end at logout and come back only when you log in: lingering is not enabled", "loginctl enable-linger")
	}
}

// advise is a warning with what to do about it.
func (a *app) advise(text, advice string) {
	warn(a.err, text)
	fmt.Fprintf(a.err, "hint: %s\n", oneLine(advice))
}
