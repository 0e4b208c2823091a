package cgroup

import (
	"context"
	"errors"
	"fmt"

	"github.com/godbus/dbus/v5"
)

// ErrNoUnit means that the service manager finds no unit of the name.
var ErrNoUnit = errors.New("no such unit is installed")

// Enable makes the manager start a unit whenever it starts itself, as `systemctl
// --user enable` does. Errors are ErrNoManager and ErrNoUnit.
func (m Manager) Enable(ctx context.Context, unit string) error {
	if m.UID == 0 {
		return ErrNoManager
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	s, err := m.dial(ctx)
	if err != nil {
		return err
	}
	defer s.conn.Close()
	const runtime, force = false, false
	err = s.call(ctx, "EnableUnitFiles", []string{unit}, runtime, force).Err
	var e dbus.Error
	if isError(err, "NoSuchUnit") || errors.As(err, &e) && e.Name == "org.freedesktop.DBus.Error.FileNotFound" {
		return fmt.Errorf("%s: %w", unit, ErrNoUnit)
	}
	return err
}
