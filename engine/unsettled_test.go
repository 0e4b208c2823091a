package engine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/paths"
)

// listed makes an entry for a container that a dead process was making.
func listed(t *testing.T, d paths.Dirs, id string) {
	t.Helper()
	must(t, os.MkdirAll(unsettledDir(d), 0o700))
	must(t, os.Symlink(asJSON(t, dead(t)), filepath.Join(unsettledDir(d), id)))
}

func TestReclaimLooksAtTheListOnly(t *testing.T) {
	d := testDirs(t)
	Reclaim(d) // the first one of this boot looks at everything
	if !exists(filepath.Join(unsettledDir(d), sweptFile)) {
		t.Fatal("it has not said that it did")
	}
	remove := func(r *Record) { r.Remove = true }
	unlisted := record(t, d, remove)
	killed := record(t, d, remove)
	listed(t, d, killed.ID)
	stays := record(t, d, nil)
	listed(t, d, stays.ID)
	unborn := newID()
	listed(t, d, unborn)
	must(t, os.WriteFile(filepath.Join(namesDir(d), newName+unborn), nil, 0o600))
	half := newID()
	listed(t, d, half)
	must(t, os.Mkdir(filepath.Join(d.Containers(), newContainer+half), 0o700))
	nameless := newID() // killed after it had a name and before it had a record
	listed(t, d, nameless)
	must(t, os.Mkdir(filepath.Join(d.Containers(), nameless), 0o700))
	must(t, createName(d, "taken", nameless))
	making := newID()
	must(t, unsettle(d, making))
	must(t, os.Mkdir(filepath.Join(d.Containers(), making), 0o700))
	runs := record(t, d, func(r *Record) { r.Remove, r.Owner = true, someone(t) })
	listed(t, d, runs.ID)
	Reclaim(d)
	for what, c := range map[string]struct {
		path string
		left bool
	}{
		"killed":           {killed.dir, false},
		"its entry":        {filepath.Join(unsettledDir(d), killed.ID), false},
		"not listed":       {unlisted.dir, true},
		"stays":            {stays.dir, true},
		"need not be":      {filepath.Join(unsettledDir(d), stays.ID), false},
		"unborn":           {filepath.Join(unsettledDir(d), unborn), false},
		"half a name":      {filepath.Join(namesDir(d), newName+unborn), false},
		"half a directory": {filepath.Join(d.Containers(), newContainer+half), false},
		"half":             {filepath.Join(unsettledDir(d), half), false},
		"without a record": {filepath.Join(d.Containers(), nameless), false},
		"its name":         {filepath.Join(namesDir(d), "taken"), false},
		"being made":       {filepath.Join(d.Containers(), making), true},
		"entry of it":      {filepath.Join(unsettledDir(d), making), true},
		"runs":             {runs.dir, true},
		"entry of that":    {filepath.Join(unsettledDir(d), runs.ID), true},
	} {
		if exists(c.path) != c.left {
			t.Errorf("%s: there: %v", what, !c.left)
		}
	}
	// After another boot nothing is relied on.
	must(t, os.WriteFile(filepath.Join(unsettledDir(d), sweptFile), []byte("other"), 0o600))
	Reclaim(d)
	if exists(unlisted.dir) || !exists(stays.dir) {
		t.Error("what is not on the list was not looked at")
	}
}

// What a container leaves on the list, from its first moment to its end.
func TestSettled(t *testing.T) {
	d := testDirs(t)
	testImage(t, d, nil)
	entries := func() []string {
		all, _ := names(unsettledDir(d))
		for i, name := range all {
			if name == sweptFile {
				return append(all[:i:i], all[i+1:]...)
			}
		}
		return all
	}
	s := shell("true")
	if res := do(t, job{Verb: "run", Spec: s, Dirs: d}); res.Error != "" || len(entries()) != 0 {
		t.Errorf("--rm: %s %q", res.Error, entries())
	}
	made := do(t, job{Verb: "create", Spec: s, Dirs: d})
	if got := entries(); len(got) != 1 || got[0] != made.Record.ID {
		t.Errorf("created with --rm: %q", got)
	}
	do(t, job{Verb: "supervise", ID: made.Record.ID, Dirs: d})
	if got := entries(); len(got) != 0 {
		t.Errorf("and ended: %q", got)
	}
	s.Remove = false
	rec := created(t, d, s)
	if got := entries(); len(got) != 0 {
		t.Errorf("created: %q", got)
	}
	if _, err := Remove(t.Context(), d, rec.ID, false); err != nil {
		t.Error(err)
	}
	nothingLeft(t, d)
}

func TestReclaimCopyUps(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"runctop1/runctmpdir2", "runctop3", "runctop4/x", "other"} {
		must(t, os.MkdirAll(filepath.Join(dir, name), 0o700))
		top, _, _ := strings.Cut(name, "/")
		old(t, filepath.Join(dir, top))
	}
	must(t, os.Mkdir(filepath.Join(dir, "runctop5"), 0o700)) // somebody is at it
	must(t, os.Symlink("/etc", filepath.Join(dir, "runctop6")))
	reclaimCopyUps(dir)
	left, err := names(dir)
	must(t, err)
	slices.Sort(left)
	if want := []string{"other", "runctop4", "runctop5", "runctop6"}; !slices.Equal(left, want) {
		t.Errorf("left %q", left)
	}
	reclaimCopyUps("/nosuch")
}
