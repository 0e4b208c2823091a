package image

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/burrow-run/burrow/engine/plan"
)

func TestCommitLayer(t *testing.T) {
	s := openStore(t, Options{Worker: "/proc/self/exe"})
	parent := imported(t, s, "base", ent{name: "keep", data: "k"}, ent{name: "drop", data: "d"})
	layer := tarOf(t, ent{name: "new", data: "n"}, ent{name: ".wh.drop"})
	c := plan.Commit{
		Parent: parent, Name: "made:v1", Author: "me", Message: "why", CreatedBy: "sh -c x",
		Changes: []string{"LABEL x=y"},
		Config:  plan.Config{Cmd: []string{"run"}, Env: []string{"A=1"}, Labels: map[string]string{"a": "b"}, Volumes: []string{"/v"}},
	}
	id, err := s.CommitLayer(t.Context(), c, bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Resolve(s.dirs, "made:v1")
	if err != nil || p.ID != id {
		t.Fatal(p, err)
	}
	if len(p.Layers) != 2 || !slices.Equal(p.Config.Cmd, []string{"run"}) || p.Config.Labels["x"] != "y" ||
		p.Config.Labels["a"] != "b" || !slices.Equal(p.Config.Volumes, []string{"/v"}) {
		t.Errorf("got %+v", p)
	}
	if b, err := os.ReadFile(filepath.Join(p.Layers[0], "new")); err != nil || string(b) != "n" {
		t.Errorf("%q, %v", b, err)
	}
	if info, err := os.Lstat(filepath.Join(p.Layers[0], "drop")); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		t.Errorf("no whiteout: %v, %v", info, err)
	}
	img, err := s.store.Image(id)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := s.read(img)
	if err != nil {
		t.Fatal(err)
	}
	last := rec.config.History[len(rec.config.History)-1]
	if len(rec.config.RootFS.DiffIDs) != 2 || rec.config.Author != "me" || last.Comment != "why" || last.CreatedBy != "sh -c x" {
		t.Errorf("got %+v, %+v", rec.config.RootFS, last)
	}
	// The parent is what it was, and the same layer makes the same chain.
	if again, err := plan.Resolve(s.dirs, "base"); err != nil || again.ID != parent || len(again.Layers) != 1 {
		t.Errorf("%+v, %v", again, err)
	}
	c.Name, c.Message = "made:v2", "another"
	other, err := s.CommitLayer(t.Context(), c, bytes.NewReader(layer))
	if err != nil || other == id {
		t.Fatal(other, err)
	}
	if q, err := plan.Resolve(s.dirs, "made:v2"); err != nil || !slices.Equal(q.Layers, p.Layers) {
		t.Errorf("%+v, %v", q, err)
	}
}

func TestCommitRefusals(t *testing.T) {
	s := openStore(t, Options{Worker: "/proc/self/exe"})
	parent := imported(t, s, "base", ent{name: "f"})
	good := tarOf(t, ent{name: "new"})
	for name, c := range map[string]struct {
		commit plan.Commit
		layer  []byte
	}{
		"no parent":     {plan.Commit{Parent: "nosuch"}, good},
		"bad change":    {plan.Commit{Parent: parent, Changes: []string{"BOGUS x"}}, good},
		"bad name":      {plan.Commit{Parent: parent, Name: "UPPER"}, good},
		"broken stream": {plan.Commit{Parent: parent}, tarOf(t, ent{name: "new", data: "some content"})[:515]},
		"leads out":     {plan.Commit{Parent: parent}, tarOf(t, ent{name: "../out"})},
	} {
		if id, err := s.CommitLayer(t.Context(), c.commit, bytes.NewReader(c.layer)); err == nil {
			t.Errorf("%s: it made %s", name, id)
		}
	}
	all, err := s.store.Images()
	if err != nil || len(all) != 1 {
		t.Errorf("%d images, %v", len(all), err)
	}
}
