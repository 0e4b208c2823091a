package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

// lend makes a store with an image of one layer, and returns what writes its plan.
func lend(t *testing.T, d paths.Dirs, names ...string) (id, root string, write func() error) {
	t.Helper()
	id, layer := strings.Repeat("5", 64), strings.Repeat("7", 64)
	root = t.TempDir()
	must(t, os.MkdirAll(plan.LayerDir(root, layer), 0o755))
	must(t, os.MkdirAll(filepath.Dir(plan.ImagesFile(root)), 0o755))
	must(t, os.WriteFile(plan.ImagesFile(root), nil, 0o600))
	return id, root, func() error {
		p := &plan.Plan{Version: plan.Version, ID: id, Names: names, OS: "linux", Layers: []string{plan.LayerDir(root, layer)}}
		images, err := plan.StampOf(plan.ImagesFile(root))
		stamp, err2 := plan.StampOf(p.Layers[0])
		p.Additional = &plan.Additional{Root: root, Images: images, Layers: []plan.Stamp{stamp}}
		return errors.Join(err, err2, plan.Write(d, p))
	}
}

// TestAdditionalIsAskedWhenItMust: an image of an additional store is found without
// asking while all is as it was, and asked for as soon as it is not.
func TestAdditionalIsAskedWhenItMust(t *testing.T) {
	change := func(root string) error { return os.WriteFile(plan.ImagesFile(root), []byte("x"), 0o600) }
	remove := func(root string) error { return os.RemoveAll(filepath.Join(root, "overlay")) }
	for name, c := range map[string]struct {
		ref    string
		policy spec.PullPolicy
		change func(root string) error
		asked  string // "", "pull" or "adopt"
	}{
		"as it was":            {"quay.io/a/img:1", spec.PullMissing, nil, ""},
		"as it was, by ID":     {strings.Repeat("5", 64), spec.PullNever, nil, ""},
		"end of a name":        {"img:1", spec.PullMissing, nil, "pull"},
		"start of an ID":       {"5555", spec.PullNever, nil, "adopt"},
		"other images":         {"quay.io/a/img:1", spec.PullMissing, change, "pull"},
		"other images, never":  {"quay.io/a/img:1", spec.PullNever, change, "adopt"},
		"gone":                 {"quay.io/a/img:1", spec.PullMissing, remove, "pull"},
		"gone, never":          {"quay.io/a/img:1", spec.PullNever, remove, "adopt"},
		"never heard of":       {"quay.io/a/new:1", spec.PullMissing, nil, "pull"},
		"never heard of+never": {"quay.io/a/new:1", spec.PullNever, nil, "adopt"},
	} {
		d := testDirs(t)
		_, root, write := lend(t, d, "quay.io/a/img:1")
		must(t, write())
		if c.change != nil {
			must(t, c.change(root))
		}
		var asked []string
		none := errors.New("asked")
		r := &run{spec: spec.Default(), opts: Options{
			Dirs: d,
			Pull: func(context.Context, string, spec.Pull) error { asked = append(asked, "pull"); return none },
			Adopt: func(_ context.Context, image string) error {
				if asked = append(asked, "adopt"); image != c.ref {
					t.Errorf("%s: asks for %q", name, image)
				}
				return none
			},
		}}
		r.spec.Image, r.spec.Pull.Policy = c.ref, c.policy
		err := r.findImage(t.Context())
		if got := strings.Join(asked, " "); got != c.asked || (err != nil) != (c.asked != "") {
			t.Errorf("%s: asks %q, want %q: %v", name, got, c.asked, err)
		}
	}
}

// TestFilesOfAContainerAreThere: before a container gets the files of its image they
// are looked for; those of the same image that was stored again will do.
func TestFilesOfAContainerAreThere(t *testing.T) {
	d := testDirs(t)
	id, root, write := lend(t, d, "quay.io/a/img:1")
	must(t, write())
	made := func() *run {
		r := &run{opts: Options{Dirs: d, Adopt: func(context.Context, string) error { return plan.ErrNotFound }}}
		r.attachTo(Record{ID: strings.Repeat("c", 64), ImageID: id})
		must(t, r.findImage(t.Context()))
		return r
	}
	r := made()
	must(t, r.present(t.Context()))
	must(t, os.WriteFile(plan.ImagesFile(root), []byte("other images"), 0o600))
	r = made() // its own files are what counts
	must(t, r.present(t.Context()))

	must(t, os.RemoveAll(r.layers[0]))
	r = made()
	_, err := r.shifted(t.Context())
	if !errors.Is(err, plan.ErrGone) || !strings.Contains(hint.Of(err), "burrow pull quay.io/a/img:1") {
		t.Errorf("gone: %v, hint %q", err, hint.Of(err))
	}
	broken := errors.New("broken")
	r.opts.Adopt = func(context.Context, string) error { return broken }
	if _, err := r.shifted(t.Context()); !errors.Is(err, broken) {
		t.Error(err)
	}
	must(t, os.Mkdir(r.layers[0], 0o755))
	r.opts.Adopt = func(_ context.Context, image string) error {
		if image != id {
			t.Errorf("asks for %q", image)
		}
		return write()
	}
	r.mode.Kind = idmap.Host
	if layers, err := r.shifted(t.Context()); err != nil || !slices.Equal(layers, r.layers) {
		t.Error("stored again:", layers, err)
	}
}

// TestNothingIsSharedWithOwnLayers: what is made of layers elsewhere has another name
// than what is made of layers here that are called the same.
func TestNothingIsSharedWithOwnLayers(t *testing.T) {
	d := testDirs(t)
	_, _, write := lend(t, d)
	must(t, write())
	p, err := plan.Read(d, strings.Repeat("5", 64))
	must(t, err)
	r := &run{opts: Options{Dirs: d, UIDs: idmap.Map{{Count: 70000}}, GIDs: idmap.Map{{Count: 70000}}}, image: image{plan: p}}
	r.uids, r.gids = idmap.Map{{Container: 0, Host: 1000, Count: 10}}, idmap.Map{{Container: 0, Host: 1000, Count: 10}}
	copied := func() string {
		t.Helper()
		layers, err := r.shifted(t.Context())
		must(t, err)
		return filepath.Base(layers[0])
	}
	elsewhere := copied()
	own := *p
	own.Additional = nil
	r.image.plan = &own
	if got := copied(); got == elsewhere || !strings.HasPrefix(elsewhere, got+"-") {
		t.Errorf("%s here, %s elsewhere", got, elsewhere)
	}
	must(t, os.MkdirAll(filepath.Join(d.Storage(), "overlay"), 0o700))
	reclaimShifted(d)
	left, err := names(filepath.Join(d.Shift(), layersDir))
	if err != nil || !slices.Contains(left, elsewhere) {
		t.Errorf("reclaimed: %v %v", left, err)
	}
	must(t, plan.Remove(d, p.ID))
	reclaimShifted(d)
	if left, err = names(filepath.Join(d.Shift(), layersDir)); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}
