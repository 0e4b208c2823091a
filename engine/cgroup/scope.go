package cgroup

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// enter moves a process into the cgroup sub of a scope. Several commands may do
// so at once, and the scope may end in between with the last process in it:
//
//	attach     ── done
//	│ no such unit, or no such cgroup in it
//	start      ── done; this one moves the process on into sub
//	│ unit exists
//	make sub, and again
func (s *systemd) enter(ctx context.Context, unit, slice string, pid int, sub string) error {
	for {
		err := s.attach(ctx, unit, pid, sub)
		if err == nil {
			return nil
		}
		attach := err
		if err = s.start(ctx, unit, slice, pid); err == nil {
			return s.moveOn(pid, sub)
		}
		if !isError(err, "UnitExists") {
			return err
		}
		var group string
		err = s.property(ctx, unit, "ControlGroup", &group)
		if err == nil && group != "" {
			err = mkdir(path.Join(Root, group, sub))
		}
		if err == nil {
			err = attach
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(2 * time.Millisecond): // it is being started or stopped
		}
	}
}

// attach moves a process into a cgroup that is there, in a unit that is
// delegated. The user's manager may ask the system's to do it.
func (s *systemd) attach(ctx context.Context, unit string, pid int, sub string) error {
	return s.call(ctx, "AttachProcessesToUnit", unit, "/"+sub, []uint32{uint32(pid)}).Err
}

func isError(err error, name string) bool {
	var e dbus.Error
	return errors.As(err, &e) && e.Name == busName+"."+name
}

// moveOn takes a process from the scope, where systemd has put it, to sub.
func (s *systemd) moveOn(pid int, sub string) error {
	at, err := Of(pid)
	if err != nil {
		return err
	}
	dir := path.Join(Root, at, sub)
	if err := mkdir(dir); err != nil {
		return err
	}
	if err := write(dir, "cgroup.procs", fmt.Sprint(pid)); err != nil {
		return fmt.Errorf("move to cgroup: %w", err)
	}
	return nil
}

// property and unitSpec are D-Bus's (sv) and (sa(sv)).
type property struct {
	Name  string
	Value dbus.Variant
}

type unitSpec struct {
	Name       string
	Properties []property
}

// start starts a scope with a process in it and waits until it is there.
func (s *systemd) start(ctx context.Context, unit, slice string, pid int) error {
	properties := []property{
		{"Description", dbus.MakeVariant("Burrow containers")},
		{"PIDs", dbus.MakeVariant([]uint32{uint32(pid)})},
		{"Delegate", dbus.MakeVariant(true)},
		{"CollectMode", dbus.MakeVariant("inactive-or-failed")},
		// Each container has a limit of its own; the default for units would be one for all.
		{"TasksMax", dbus.MakeVariant(uint64(math.MaxUint64))},
		// The first process of a container may well ignore SIGTERM, and nobody
		// wants to wait a minute and a half at logout for that.
		{"TimeoutStopUSec", dbus.MakeVariant(uint64(10 * time.Second / time.Microsecond))},
	}
	if slice != "" {
		properties = append(properties, property{"Slice", dbus.MakeVariant(slice)})
	}
	if !s.private {
		// On its own socket the manager tells everybody.
		if err := errors.Join(s.conn.AddMatchSignalContext(ctx, dbus.WithMatchInterface(busName+".Manager")),
			s.call(ctx, "Subscribe").Err); err != nil {
			return err
		}
	}
	var job dbus.ObjectPath
	if err := s.call(ctx, "StartTransientUnit", unit, "fail", properties, []unitSpec{}).Store(&job); err != nil {
		return err
	}
	return s.wait(ctx, job)
}

// wait waits for the end of a job: only then the process is in the scope.
func (s *systemd) wait(ctx context.Context, job dbus.ObjectPath) error {
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for systemd: %w", ctx.Err())
		case sig, ok := <-s.signals:
			if !ok {
				return ErrNoManager
			}
			if sig.Name != methods+"JobRemoved" || len(sig.Body) < 4 || sig.Body[1] != job {
				continue
			}
			if result := sig.Body[3]; result != "done" {
				return fmt.Errorf("start scope: systemd says %v", result)
			}
			return nil
		}
	}
}

// property reads a property of a unit that has a cgroup.
func (s *systemd) property(ctx context.Context, unit, name string, value any) error {
	kind := busName + ".Scope"
	if strings.HasSuffix(unit, ".service") {
		kind = busName + ".Service"
	}
	var at dbus.ObjectPath
	if err := s.call(ctx, "GetUnit", unit).Store(&at); err != nil {
		return err
	}
	var v dbus.Variant
	get := s.conn.Object(busName, at).CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, kind, name)
	if err := get.Store(&v); err != nil {
		return err
	}
	return dbus.Store([]any{v.Value()}, value)
}
