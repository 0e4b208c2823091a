package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// ErrNone means that journald cannot be written to or read.
var ErrNone = errors.New("no journal")

// Read hands to fn what journalctl exports with further arguments, until it ends or
// fn returns an error. A journal that the caller may not read is ErrNone, with a hint.
func Read(ctx context.Context, args []string, fn func(Entry) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cmd := exec.CommandContext(ctx, "journalctl", append([]string{"--quiet", "--no-pager", "--output=export"}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if errors.Is(err, exec.ErrNotFound) {
		return hint.New(fmt.Errorf("%w: journalctl is not installed", ErrNone), "apt install systemd")
	}
	if err != nil {
		return fmt.Errorf("start journalctl: %w", err)
	}
	seen := 0
	readErr := Decode(out, func(e Entry) error {
		seen++
		return fn(e)
	})
	if readErr != nil {
		stop()
	}
	err = cmd.Wait()
	switch {
	case readErr != nil:
		return readErr
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil, seen == 0 && said.Len() > 0:
		line, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		return hint.New(fmt.Errorf("%w: journalctl: %s", ErrNone, line), "as root: usermod -aG systemd-journal USER lets a user read it")
	}
	return nil
}
