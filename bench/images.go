package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Rows about images that come from a registry and go there. What the registry
// itself uses of the machine is the same for all.

// peaks remembers how much memory the contenders of a row took at most.
type peaks map[string]int64 // KiB

// command is a contender whose memory is looked at, with work before that is
// not measured.
func (p peaks) command(name string, before func(context.Context) error, argv ...string) contender {
	return contender{name, func(ctx context.Context) (time.Duration, error) {
		if err := before(ctx); err != nil {
			return 0, err
		}
		unix.Sync()
		took, state, err := ran(ctx, argv...)
		if err != nil {
			return 0, err
		}
		if used, ok := state.SysUsage().(*syscall.Rusage); ok {
			p[name] = max(p[name], used.Maxrss)
		}
		return took, nil
	}}
}

// note says what was remembered of the samples' contenders.
func (p peaks) note(samples []sample) string {
	var parts []string
	for _, s := range samples {
		if kib, ok := p[s.name]; ok {
			parts = append(parts, fmt.Sprintf("%s %d MB", s.name, kib>>10))
		}
	}
	return "largest process: " + strings.Join(parts, ", ")
}

// failedRow is a row that could not be measured.
func failedRow(r row, err error) row {
	r.samples = []sample{{name: "burrow", err: err}}
	return r
}

func (s setup) forgetFor(names ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, _ = timed(ctx, s.forget(names...)...) // may be there or not
		return nil
	}
}

// pulls are the ways to get an image from a registry into a store.
func (s setup) pulls(p peaks, image string, before func(engine string) func(context.Context) error) []contender {
	return []contender{
		p.command("burrow", before(s.burrow), s.burrow, "pull", "-q", "--tls-verify=false", image),
		p.command("podman", before("podman"), "podman", "pull", "-q", "--tls-verify=false", image),
		p.command("skopeo", before("podman"), "skopeo", "copy", "-q", "--src-tls-verify=false", "docker://"+image, "containers-storage:"+image),
	}
}

func pullRow(ctx context.Context, s setup) row {
	r := row{budget: "≤ 0.25 × podman", limit: 0.25, peer: "podman"}
	reg, err := newRegistry(ctx, os.TempDir())
	if err != nil {
		return failedRow(r, err)
	}
	defer reg.close()
	image := reg.addr + "/bench/debian:latest"
	if _, err := timed(ctx, "podman", "push", "-q", "--tls-verify=false", s.big, image); err != nil {
		return failedRow(r, err)
	}
	p := peaks{}
	r.samples = race(ctx, s.pulls(p, image, func(string) func(context.Context) error { return s.forgetFor(image) }), 1, s.few())
	r.note = p.note(r.samples)
	_ = s.forgetFor(image)(ctx)
	if err := s.remember(ctx); err != nil {
		r.note += "; " + err.Error()
	}
	return r
}

func pullManyRow(ctx context.Context, s setup) row {
	return layersRow(ctx, s, func(_, _ string) error { return nil })
}

func pullRestRow(ctx context.Context, s setup) row {
	return layersRow(ctx, s, func(engine, most string) error {
		_, err := timed(ctx, engine, "pull", "-q", "--tls-verify=false", most)
		return err
	})
}

// layersRow pulls the image of several layers; have brings into a store what is
// to be there already, most of it.
func layersRow(ctx context.Context, s setup, have func(engine, most string) error) row {
	r := row{budget: "≤ 0.25 × podman", limit: 0.25, peer: "podman"}
	dir := filepath.Join(os.TempDir(), "layers-509MB")
	if err := layout(dir, s.tar); err != nil {
		return failedRow(r, err)
	}
	reg, err := newRegistry(ctx, os.TempDir())
	if err != nil {
		return failedRow(r, err)
	}
	defer reg.close()
	image := map[string]string{}
	for _, tag := range []string{"most", "all"} {
		image[tag] = reg.addr + "/bench/layers:" + tag
		if _, err := timed(ctx, "skopeo", "copy", "-q", "--dest-tls-verify=false", "oci:"+dir+":"+tag, "docker://"+image[tag]); err != nil {
			return failedRow(r, err)
		}
	}
	forget := s.forgetFor(image["all"], image["most"])
	p := peaks{}
	r.samples = race(ctx, s.pulls(p, image["all"], func(engine string) func(context.Context) error {
		return func(ctx context.Context) error {
			_ = forget(ctx)
			return have(engine, image["most"])
		}
	}), 1, s.few())
	r.note = p.note(r.samples)
	_ = forget(ctx)
	if err := s.remember(ctx); err != nil {
		r.note += "; " + err.Error()
	}
	return r
}

func pushRow(ctx context.Context, s setup) row {
	r := row{budget: "≤ 0.25 × podman", limit: 0.25, peer: "podman"}
	reg, err := newRegistry(ctx, os.TempDir())
	if err != nil {
		return failedRow(r, err)
	}
	defer reg.close()
	image := reg.addr + "/bench/debian:latest"
	p := peaks{}
	r.samples = race(ctx, []contender{
		p.command("burrow", reg.empty, s.burrow, "push", "-q", "--tls-verify=false", s.big, image),
		p.command("podman", reg.empty, "podman", "push", "-q", "--tls-verify=false", s.big, image),
		p.command("skopeo", reg.empty, "skopeo", "copy", "-q", "--dest-tls-verify=false", "containers-storage:"+s.big, "docker://"+image),
	}, 1, s.few())
	r.note = "to a registry that has nothing; all compress with gzip, which is most of it; " + p.note(r.samples)
	return r
}

func imagesRow(ctx context.Context, s setup) row {
	r := row{budget: "≤ 0.25 × podman", limit: 0.25, peer: "podman", note: fmt.Sprintf("%d images of one layer each", s.images)}
	all := make([]string, s.images)
	for i := range all {
		all[i] = fmt.Sprintf("localhost/bench-many:%d-%d", os.Getpid(), i)
	}
	p := peaks{}
	var list []contender
	for _, e := range s.engines() {
		defer discardImages(context.WithoutCancel(ctx), e, all...)
		if err := importMany(ctx, e, all); err != nil {
			r.samples = append(r.samples, sample{name: s.label(e), err: err})
			continue
		}
		list = append(list, p.command(s.label(e), func(context.Context) error { return nil }, e, "images"))
	}
	r.samples = append(r.samples, race(ctx, list, 1, s.few())...)
	r.note += "; " + p.note(r.samples)
	return r
}

// importMany makes an image of a layer of its own for each name.
func importMany(ctx context.Context, engine string, names []string) error {
	f, err := os.CreateTemp("", "bench-layer-*.tar")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	for _, n := range names {
		_, err := f.Seek(0, 0)
		w := tar.NewWriter(f)
		err = errors.Join(err, w.WriteHeader(&tar.Header{Name: "name", Mode: 0o644, Size: int64(len(n))}))
		if _, werr := w.Write([]byte(n)); err == nil {
			err = werr
		}
		if err = errors.Join(err, w.Close()); err != nil {
			return err
		}
		if _, err := timed(ctx, engine, "import", "-q", f.Name(), n); err != nil {
			return err
		}
	}
	return nil
}

func discardImages(ctx context.Context, engine string, names ...string) {
	for begin := 0; begin < len(names); begin += 50 {
		_, _ = timed(ctx, append([]string{engine, "rmi", "-f"}, names[begin:min(begin+50, len(names))]...)...)
	}
}

// few is how often what takes seconds is measured.
func (s setup) few() int { return min(s.rounds, 5) }
