package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/posture"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/userns"
)

// printPosture is run --security-report. The payload's output is not ours to mix
// with: this goes where errors go.
func (a *app) printPosture(w io.Writer, p posture.Report, form string) {
	err := error(nil)
	if form == spec.ReportJSON {
		err = p.PrintJSON(w)
	} else {
		err = p.Print(w)
	}
	if err != nil {
		warn(a.err, "security report: "+err.Error())
	}
}

// postureOf asks the kernel about a running container.
func (a *app) postureOf(c caller, r engine.Record) (posture.Report, error) {
	anchor, err := userns.Find(c.dirs.Run)
	if err != nil {
		return posture.Report{}, fmt.Errorf("container %s: %w: %w", r.Name, engine.ErrNoPosture, err)
	}
	return engine.Posture(r, anchor.PID, c.inside)
}

// wantsPosture: to look takes a millisecond, which a template that does not show
// it need not wait for.
func (o inspectOptions) wantsPosture() bool {
	return o.format == "" || o.format == "json" || strings.Contains(o.format, "Posture")
}

// printPostures is inspect --security-report. It ends with 1 if a fact differs
// from what was asked for.
func (a *app) printPostures(c caller, records []engine.Record, o inspectOptions) error {
	list := make([]posture.Report, 0, len(records))
	differ := 0
	for _, r := range records {
		p, err := a.postureOf(c, r)
		if err != nil {
			return err
		}
		list = append(list, p)
		differ += p.Differ
	}
	if o.format == "json" {
		if err := a.printJSON(list); err != nil {
			return err
		}
		return differs(differ)
	}
	for i, p := range list {
		if len(list) > 1 {
			fmt.Fprintf(a.out, "%s\n", records[i].Name)
		}
		if err := p.Print(a.out); err != nil {
			return err
		}
	}
	return differs(differ)
}

func differs(n int) error {
	if n > 0 {
		return exitCode(1)
	}
	return nil
}

// probePosture is doctor --posture: a default container of nothing but this
// executable, looked at before its first instruction.
func (a *app) probePosture(ctx context.Context, c caller, uids, gids idmap.Map, form string) error {
	switch form {
	case "", "text", "json":
	default:
		return fmt.Errorf("--format %q: doctor knows text and json", form)
	}
	if !c.inside {
		return enterAnchor(ctx, c, "mounts")
	}
	// It stays, empty, so that nothing is left half-way whenever this is killed.
	dir := filepath.Join(c.dirs.Run, "empty")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	o := a.engineOptions(c, uids, gids)
	var seen *posture.Report
	o.Posture = func(p posture.Report) { seen = &p }
	if _, err := engine.Run(ctx, probeSpec(dir, self), o); err != nil {
		return explainStart(ctx, c, err)
	}
	if seen == nil {
		return errors.New("the container ended before it could be looked at")
	}
	if form == "json" {
		err = seen.PrintJSON(a.out)
	} else {
		err = seen.Print(a.out)
	}
	if err == nil {
		err = differs(seen.Differ)
	}
	return err
}

// probeSpec is a container with every default, whose program does nothing.
func probeSpec(dir, program string) spec.Spec {
	const inside = "/burrow"
	s := spec.Default()
	s.Rootfs, s.Remove = &spec.Rootfs{Dir: dir, Overlay: true}, true
	s.Args = []string{inside, "version"}
	s.Mounts = []spec.Mount{{Type: spec.MountBind, Source: program, Dest: inside, ReadOnly: true, Exec: true, NonRecursive: true}}
	s.Stdio.Attach = spec.Attach{}
	s.SecurityReport = spec.ReportTable
	return s
}
