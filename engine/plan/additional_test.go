package plan

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const one64, two64 = "1111111111111111111111111111111111111111111111111111111111111111", "1112222222222222222222222222222222222222222222222222222222222222"

// elsewhere is the plan of an image with two layers in a store that it makes.
func elsewhere(t *testing.T, id string, names ...string) *Plan {
	t.Helper()
	root := t.TempDir()
	p := &Plan{Version: Version, ID: id, Names: names, Additional: &Additional{Root: root}}
	for _, l := range []string{one64, two64} {
		dir := LayerDir(root, l)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		stamp, err := StampOf(dir)
		if err != nil {
			t.Fatal(err)
		}
		p.Layers, p.Additional.Layers = append(p.Layers, dir), append(p.Additional.Layers, stamp)
	}
	list := ImagesFile(root)
	if err := os.MkdirAll(filepath.Dir(list), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, []byte("[]"), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if p.Additional.Images, err = StampOf(list); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFresh(t *testing.T) {
	replace := func(name string, with func(string) error) error {
		if err := os.RemoveAll(name); err != nil {
			return err
		}
		return with(name)
	}
	mkdir := func(name string) error { return os.Mkdir(name, 0o700) }
	for name, c := range map[string]struct {
		change func(*Plan) error
		want   error
	}{
		"nothing":               {func(*Plan) error { return nil }, nil},
		"layer gone":            {func(p *Plan) error { return os.RemoveAll(p.Layers[1]) }, ErrGone},
		"layer made again":      {func(p *Plan) error { return replace(p.Layers[0], mkdir) }, ErrGone},
		"layer has a new entry": {func(p *Plan) error { return os.WriteFile(p.Layers[0]+"/new", nil, 0o600) }, ErrGone},
		"layer is a link": {func(p *Plan) error {
			return replace(p.Layers[0], func(name string) error { return os.Symlink(p.Layers[1], name) })
		}, errors.ErrUnsupported},
		"another image": {func(p *Plan) error { return os.WriteFile(ImagesFile(p.Additional.Root), []byte("[ ]"), 0o600) }, ErrChanged},
		"list replaced": {func(p *Plan) error {
			return replace(ImagesFile(p.Additional.Root), func(name string) error { return os.WriteFile(name, []byte("[]"), 0o600) })
		}, ErrChanged},
		"list gone":  {func(p *Plan) error { return os.Remove(ImagesFile(p.Additional.Root)) }, ErrChanged},
		"store gone": {func(p *Plan) error { return os.RemoveAll(p.Additional.Root) }, ErrGone},
	} {
		t.Run(name, func(t *testing.T) {
			p := elsewhere(t, one64)
			if err := p.Fresh(); err != nil {
				t.Fatal("before:", err)
			}
			if err := c.change(p); err != nil {
				t.Fatal(err)
			}
			err := p.Fresh()
			if c.want == errors.ErrUnsupported { //nolint:errorlint // stands for: some error
				if err == nil {
					t.Error("a link was taken for the layer")
				}
				return
			}
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if same := p.SameLayers(); (same == nil) != (c.want == nil || errors.Is(c.want, ErrChanged)) {
				t.Errorf("SameLayers: %v", same)
			}
		})
	}
	if err := (&Plan{Layers: []string{"/nowhere"}}).Fresh(); err != nil {
		t.Error("an image of the own store:", err)
	}
}

// TestForeignLayers: a plan does not lead out of the store that it names.
func TestForeignLayers(t *testing.T) {
	dirs := testDirs(t)
	for name, change := range map[string]func(*Plan){
		"":               func(*Plan) {},
		"elsewhere":      func(p *Plan) { p.Layers[0] = "/etc" },
		"out by dots":    func(p *Plan) { p.Layers[0] = p.Additional.Root + "/overlay/../../../etc/diff" },
		"other store":    func(p *Plan) { p.Layers[0] = LayerDir("/etc", one64) },
		"other part":     func(p *Plan) { p.Layers[0] = filepath.Dir(p.Layers[0]) + "/work" },
		"no ID":          func(p *Plan) { p.Layers[0] = LayerDir(p.Additional.Root, "x") },
		"not the files":  func(p *Plan) { p.Layers[0] = filepath.Dir(p.Layers[0]) },
		"relative store": func(p *Plan) { p.Additional.Root = "store" },
		"unclean store":  func(p *Plan) { p.Additional.Root += "/." },
		"no stamps":      func(p *Plan) { p.Additional.Layers = nil },
	} {
		p := elsewhere(t, one64)
		change(p)
		if err := Write(dirs, p); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(dirs, one64); (err == nil) != (name == "") || err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOwnImagesFirst: what begins or ends the name or ID of images here and elsewhere
// is the one here.
func TestOwnImagesFirst(t *testing.T) {
	dirs := testDirs(t)
	if err := Write(dirs, elsewhere(t, one64, "docker.io/else/app:latest")); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"111", "app"} {
		if m, err := Match(dirs, ref); err != nil || m.ID != one64 || !m.Loose {
			t.Errorf("%s alone: %+v %v", ref, m, err)
		}
	}
	if err := Write(dirs, &Plan{Version: Version, ID: two64, Names: []string{"quay.io/own/app:latest"}}); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"111", "app"} {
		if m, err := Match(dirs, ref); err != nil || m.ID != two64 {
			t.Errorf("%s: %+v %v", ref, m, err)
		}
	}
	third := "111" + strings.Repeat("3", 61)
	if err := Write(dirs, &Plan{Version: Version, ID: third, Names: []string{"quay.io/other/app:latest"}}); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"111", "app"} {
		_, err := Match(dirs, ref)
		if !errors.Is(err, ErrAmbiguous) || strings.Contains(err.Error(), one64) || strings.Contains(err.Error(), "else/app") {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

// TestPick: a list is searched as the plans are.
func TestPick(t *testing.T) {
	d := "@sha256:" + two64
	list := []Listed{
		{one64, []string{"docker.io/library/box:latest", "quay.io/a/app:v1"}},
		{two64, []string{"localhost/box:latest", "quay.io/b/app:v1", "quay.io/b/app" + d}},
	}
	for ref, want := range map[string]string{
		"box": two64, "docker.io/box": one64, "docker.io/library/box:latest": one64, "quay.io/b/app:v1": two64,
		"quay.io/b/app" + d: two64, "quay.io/b/app:v1" + d: two64, "b/app:v1": two64, "1112": two64,
		one64: one64, "sha256:" + one64: one64, "sha256:1111": one64,
		"app:v1": "ambiguous", "111": "ambiguous", "sha256:1": "ambiguous",
		"none": "", "box:v2": "", "quay.io/app:v1": "", "9999": "", strings.Repeat("9", 64): "",
	} {
		m, err := Pick(ref, list)
		got := m.ID
		if errors.Is(err, ErrAmbiguous) {
			got = "ambiguous"
		} else if err != nil && !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: %v", ref, err)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", ref, got, want)
		}
	}
	if _, err := Pick("UPPER", list); !errors.Is(err, ErrName) {
		t.Error(err)
	}
}
