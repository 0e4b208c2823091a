package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

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
	dir, err := probeRoot(c.dirs.State)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o := a.engineOptions(c, uids, gids)
	usualUmask()
	var seen *posture.Report
	o.Posture = func(p posture.Report) { seen = &p }
	if _, err := engine.Run(ctx, probeSpec(dir), o); err != nil {
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

const probeProgram = "burrow"

// probeRoot makes a root directory with a copy of this executable, which a label of
// the container's can be on, as a mounted one could not. Its name says whose it is:
// what somebody killed has left is removed.
func probeRoot(state string) (dir string, err error) {
	const prefix = "posture-"
	left, _ := filepath.Glob(filepath.Join(state, prefix+"*"))
	for _, old := range left {
		pid, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(old), prefix))
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(old)
		}
	}
	dir = filepath.Join(state, prefix+strconv.Itoa(os.Getpid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if err := copyProgram(filepath.Join(dir, probeProgram)); err != nil {
		_ = os.RemoveAll(dir)
		return "", err
	}
	return dir, nil
}

func copyProgram(to string) error {
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer from.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, from)
	return errors.Join(err, out.Close())
}

// probeSpec is a container with every default, whose program does nothing.
func probeSpec(dir string) spec.Spec {
	s := spec.Default()
	s.Rootfs, s.Remove = &spec.Rootfs{Dir: dir, Overlay: true}, true
	s.Args = []string{"/" + probeProgram, "version"}
	s.Stdio.Attach = spec.Attach{}
	s.SecurityReport = spec.ReportTable
	return s
}
