package engine

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

func TestRemove(t *testing.T) {
	d := testDirs(t)
	rec := record(t, d, nil)
	must(t, os.MkdirAll(rec.dir+"/upper/x", 0o700))
	id, err := Remove(t.Context(), d, rec.ID[:10], false)
	if id != rec.ID || err != nil || exists(rec.dir) || nameOwner(t, d, rec.Name) != "" {
		t.Errorf("%q %v", id, err)
	}
	if _, err := Remove(t.Context(), d, rec.ID, true); !errors.Is(err, ErrNoContainer) {
		t.Errorf("%v", err)
	}
}

// Whenever a removal is killed, there is either a container with a name or none.
func TestRemoveIsCutOff(t *testing.T) {
	d := testDirs(t)
	Reclaim(d)
	rec := record(t, d, nil)
	must(t, unsettle(d, rec.ID))
	must(t, os.Remove(filepath.Join(rec.dir, recordFile))) // the moment after
	if list, _, err := List(d); err != nil || len(list) != 0 {
		t.Errorf("%v %v", list, err)
	}
	if _, err := Lookup(d, rec.Name); !errors.Is(err, ErrNoContainer) {
		t.Errorf("%v", err)
	}
	must(t, os.Remove(filepath.Join(unsettledDir(d), rec.ID)))
	listed(t, d, rec.ID) // whoever removed it is dead
	Reclaim(d)
	nothingLeft(t, d)
}

// With force the container's process ends first, or that of the run which is
// about to start it; without, nothing happens to either.
func TestRemoveRunning(t *testing.T) {
	for name, change := range map[string]func(r *Record){
		"runs":     func(r *Record) { p := someone(t); r.PID, r.Start = p.PID, p.Start },
		"starting": func(r *Record) { r.PID, r.Start, r.Owner = 0, 0, someone(t) },
	} {
		t.Run(name, func(t *testing.T) {
			d := testDirs(t)
			rec := record(t, d, change)
			_, err := Remove(t.Context(), d, rec.Name, false)
			if !errors.Is(err, ErrRunning) || hint.Of(err) != "burrow rm -f "+rec.Name || !exists(rec.dir) {
				t.Fatalf("%v, hint %q", err, hint.Of(err))
			}
			if rec.PID != 0 && !rec.Running() || rec.PID == 0 && !rec.Owner.Alive() {
				t.Fatal("killed without force")
			}
			if _, err := Remove(t.Context(), d, rec.Name, true); err != nil || exists(rec.dir) {
				t.Errorf("%v", err)
			}
			if rec.Running() || rec.Owner.Alive() {
				t.Error("it lives")
			}
		})
	}
}

// The run that owns a container notes its end before anybody removes it.
func TestRemoveWaitsForTheOwner(t *testing.T) {
	d := testDirs(t)
	rec := record(t, d, nil)
	hold, err := claim(rec.dir)
	must(t, err)
	done := make(chan error, 1)
	go func() {
		_, err := Remove(t.Context(), d, rec.ID, false)
		done <- err
	}()
	time.Sleep(30 * time.Millisecond)
	if !exists(rec.dir) {
		t.Fatal("removed under its owner")
	}
	hold.Close()
	must(t, <-done)

	rec = record(t, d, nil)
	hold, err = claim(rec.dir)
	must(t, err)
	defer hold.Close()
	ctx, cancel := contextDone(t)
	cancel()
	if _, err := Remove(ctx, d, rec.ID, false); !errors.Is(err, errClaimed) {
		t.Errorf("%v", err)
	}
}

func TestReclaim(t *testing.T) {
	d := testDirs(t)
	dir := func(name string, young bool) string {
		path := filepath.Join(d.Containers(), name)
		must(t, os.Mkdir(path, 0o700))
		if !young {
			old(t, path)
		}
		return path
	}
	going := map[string]string{
		"killed with --rm":      record(t, d, func(r *Record) { r.Remove = true }).dir,
		"of another boot":       record(t, d, func(r *Record) { r.Remove, r.BootID = true, "x" }).dir,
		"killed without record": dir(newID(), true),
		"killed half made":      dir(newContainer+"y", false),
	}
	claimedOld, hold := claimedDir(t, d)
	defer hold.Close()
	old(t, filepath.Join(d.Containers(), claimedOld))
	mine := record(t, d, func(r *Record) { r.Remove = true })
	held, err := claim(mine.dir)
	must(t, err)
	defer held.Close()
	staying := map[string]string{
		"ended":           record(t, d, nil).dir,
		"being made":      dir(newContainer+"x", true),
		"slow to start":   filepath.Join(d.Containers(), claimedOld),
		"claimed":         mine.dir,
		"of another boot": record(t, d, func(r *Record) { r.BootID = "x" }).dir,
		"created":         record(t, d, func(r *Record) { r.Remove, r.Waits = true, true }).dir,
		"runs":            record(t, d, func(r *Record) { p := someone(t); r.Remove, r.PID, r.Start = true, p.PID, p.Start }).dir,
		"its run lives":   record(t, d, func(r *Record) { r.Remove, r.Owner = true, someone(t) }).dir,
	}
	Reclaim(d)
	for name, path := range going {
		if exists(path) {
			t.Errorf("%s: stays", name)
		}
	}
	for name, path := range staying {
		if !exists(path) {
			t.Errorf("%s: is gone", name)
		}
	}
	none := t.TempDir() + "/none"
	Reclaim(paths.Dirs{State: none, Data: none, Run: none})
	if exists(none) {
		t.Error("a state was made where there was none")
	}
}

func TestReclaimLayers(t *testing.T) {
	d := testDirs(t)
	image, gone, boot := strings.Repeat("1", 64), strings.Repeat("2", 64), thisBoot(t)
	must(t, plan.Write(d, &plan.Plan{Version: plan.Version, ID: image}))
	layer := strings.Repeat("3", 64)
	must(t, os.MkdirAll(filepath.Join(d.Storage(), "overlay", layer), 0o700))
	layers := filepath.Join(d.Shift(), layersDir)
	claimed := filepath.Join(d.Shift(), newLayer+"claimed")
	all := []string{
		shiftName(image, "k", boot), shiftName(image, "k", "otherboot"), shiftName(gone, "k", boot),
		newLayer + "old", newLayer + "young", newLayer + "claimed",
		layersDir + "/" + layer[:16] + "-k", layersDir + "/" + gone[:16] + "-k", layersDir + "/" + newLayer + "old",
	}
	for _, name := range all {
		must(t, os.MkdirAll(filepath.Join(d.Shift(), name), 0o700))
		if strings.HasSuffix(name, "old") || strings.HasSuffix(name, "claimed") {
			old(t, filepath.Join(d.Shift(), name))
		}
	}
	hold, err := claim(claimed)
	must(t, err)
	defer hold.Close()
	reclaimShifted(d)
	var left []string
	for _, name := range all {
		if exists(filepath.Join(d.Shift(), name)) {
			left = append(left, name)
		}
	}
	want := []string{shiftName(image, "k", boot), newLayer + "young", newLayer + "claimed", layersDir + "/" + layer[:16] + "-k"}
	if !slices.Equal(left, want) {
		t.Errorf("left %q\nwant %q", left, want)
	}
	// A store that is not there is no reason to throw away what took long to make.
	must(t, os.RemoveAll(d.Storage()))
	reclaimShifted(d)
	if got, _ := names(layers); len(got) != 1 {
		t.Errorf("left %q", got)
	}
}

func TestReclaimSockets(t *testing.T) {
	d := testDirs(t)
	ended, served := record(t, d, nil), record(t, d, nil)
	hold, err := claim(served.dir)
	must(t, err)
	defer hold.Close()
	lost := socketPrefix + strings.Repeat("9", 16)
	for _, path := range []string{
		attachSocket(d, ended.ID), attachSocket(d, served.ID), filepath.Join(d.Run, lost), filepath.Join(d.Run, "anchor"),
		healthSocket(d, ended.ID), healthSocket(d, served.ID),
	} {
		must(t, os.WriteFile(path, nil, 0o600))
	}
	reclaimSockets(d)
	left, err := names(d.Run)
	must(t, err)
	slices.Sort(left)
	if want := []string{"anchor", filepath.Base(attachSocket(d, served.ID)), filepath.Base(healthSocket(d, served.ID))}; !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}
}

func TestClaim(t *testing.T) {
	dir := t.TempDir()
	f, err := claim(dir)
	must(t, err)
	if _, err := claim(dir); !errors.Is(err, errClaimed) {
		t.Errorf("%v", err)
	}
	if _, err := awaitClaim(t.Context(), dir, 10*time.Millisecond); !errors.Is(err, errClaimed) {
		t.Errorf("%v", err)
	}
	go func() {
		time.Sleep(20 * time.Millisecond)
		f.Close()
	}()
	next, err := awaitClaim(t.Context(), dir, 10*time.Second)
	must(t, err)
	next.Close()
	if _, err := claim(dir + "/nosuch"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
