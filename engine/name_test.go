package engine

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/internal/paths"
)

func nameOwner(t *testing.T, d paths.Dirs, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(namesDir(d), name))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	must(t, err)
	return string(b)
}

// claimedDir is the directory of a container that is being made.
func claimedDir(t *testing.T, d paths.Dirs) (id string, hold *os.File) {
	t.Helper()
	id = newID()
	dir := filepath.Join(d.Containers(), id)
	must(t, os.MkdirAll(dir, 0o700))
	hold, err := claim(dir)
	must(t, err)
	t.Cleanup(func() { hold.Close() })
	return id, hold
}

func TestNameIsInUse(t *testing.T) {
	d := testDirs(t)
	id, _ := claimedDir(t, d)
	if got, err := reserveName(d, "web", id); err != nil || got != "web" {
		t.Fatal(got, err)
	}
	other, _ := claimedDir(t, d)
	_, err := reserveName(d, "web", other)
	if !errors.Is(err, ErrNameInUse) || hint.Of(err) != "burrow rm web" {
		t.Errorf("%v, hint %q", err, hint.Of(err))
	}
	releaseName(d, "web", other)
	if nameOwner(t, d, "web") != id {
		t.Error("a container gave back the name of another")
	}
	releaseName(d, "web", id)
	if _, err := reserveName(d, "web", other); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(namesDir(d))
	must(t, err)
	if len(left) != 1 {
		t.Errorf("temporary files stay: %v", left)
	}
}

func TestNameIsInvented(t *testing.T) {
	d := testDirs(t)
	seen := map[string]bool{}
	for range 50 {
		id, _ := claimedDir(t, d)
		name, err := reserveName(d, "", id)
		must(t, err)
		if seen[name] {
			t.Errorf("%s is given twice", name)
		}
		seen[name] = true
	}
	if a, b, c := inventName(5), inventName(5), inventName(5); a == b && b == c {
		t.Error("later tries have no number")
	}
}

// A name that a container left behind is free for exactly one of many that
// want it at the same time.
func TestOneWinsALeftOverName(t *testing.T) {
	leftOvers := map[string]func(t *testing.T, d paths.Dirs){
		"container is gone": func(t *testing.T, d paths.Dirs) {
			must(t, os.MkdirAll(namesDir(d), 0o700))
			must(t, os.WriteFile(filepath.Join(namesDir(d), "web"), []byte(newID()), 0o600))
		},
		"file is damaged": func(t *testing.T, d paths.Dirs) {
			must(t, os.MkdirAll(namesDir(d), 0o700))
			must(t, os.WriteFile(filepath.Join(namesDir(d), "web"), []byte("../../.."), 0o600))
		},
		"killed with --rm": func(t *testing.T, d paths.Dirs) {
			record(t, d, func(r *Record) { r.Name, r.Remove = "web", true })
		},
		"killed before it had a record": func(t *testing.T, d paths.Dirs) {
			id, hold := claimedDir(t, d)
			_, err := reserveName(d, "web", id)
			must(t, err)
			hold.Close()
		},
	}
	for name, make := range leftOvers {
		t.Run(name, func(t *testing.T) {
			for range 8 {
				d := testDirs(t)
				make(t, d)
				race(t, d, 8)
			}
		})
	}
}

func race(t *testing.T, d paths.Dirs, n int) {
	t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i], _ = claimedDir(t, d)
	}
	raceOf(t, d, ids)
}

// raceOf lets containers ask for one name at the same time; one must get it.
func raceOf(t *testing.T, d paths.Dirs, ids []string) {
	t.Helper()
	var mu sync.Mutex
	var won []string
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for _, id := range ids {
		wg.Go(func() {
			<-begin
			_, err := reserveName(d, "web", id)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won = append(won, id)
			} else if !errors.Is(err, ErrNameInUse) {
				t.Error(err)
			}
		})
	}
	close(begin)
	wg.Wait()
	if len(won) != 1 || nameOwner(t, d, "web") != won[0] {
		t.Fatalf("%d have the name: %q; the file says %q", len(won), won, nameOwner(t, d, "web"))
	}
}

// The same, often enough that every order of steps comes up; and while the
// owner is just giving the name back.
func TestOneWinsAgainAndAgain(t *testing.T) {
	d := testDirs(t)
	must(t, os.MkdirAll(namesDir(d), 0o700))
	ids := make([]string, 16)
	for i := range ids {
		ids[i], _ = claimedDir(t, d)
	}
	name := filepath.Join(namesDir(d), "web")
	for i := range 300 {
		owner := newID()
		must(t, os.WriteFile(name, []byte(owner), 0o600))
		if i%2 == 0 {
			raceOf(t, d, ids)
			continue
		}
		dir := filepath.Join(d.Containers(), owner)
		must(t, os.Mkdir(dir, 0o700))
		hold, err := claim(dir)
		must(t, err)
		var won atomic.Int32
		var wg sync.WaitGroup
		for _, id := range ids {
			wg.Go(func() {
				for range 3 {
					if _, err := reserveName(d, "web", id); err == nil {
						won.Add(1)
						return
					}
				}
			})
		}
		releaseName(d, "web", owner)
		must(t, os.Remove(dir))
		hold.Close()
		wg.Wait()
		if won.Load() > 1 {
			t.Fatalf("%d have the name", won.Load())
		}
		_ = os.Remove(name)
	}
}

// What looks left over and is not must keep its name.
func TestNameIsKept(t *testing.T) {
	keep := map[string]func(r *Record){
		"ended, without --rm":                 func(*Record) {},
		"run lives":                           func(r *Record) { r.Remove, r.Owner = true, someone(t) },
		"container lives":                     func(r *Record) { p := someone(t); r.Remove, r.PID, r.Start = true, p.PID, p.Start },
		"made by create, waits to be started": func(r *Record) { r.Remove, r.Waits, r.PID = true, true, 0 },
	}
	for name, change := range keep {
		t.Run(name, func(t *testing.T) {
			d := testDirs(t)
			rec := record(t, d, func(r *Record) { r.Name = "web"; change(r) })
			id, _ := claimedDir(t, d)
			if _, err := reserveName(d, "web", id); !errors.Is(err, ErrNameInUse) {
				t.Errorf("got it: %v", err)
			}
			reclaimNames(d)
			if nameOwner(t, d, "web") != rec.ID {
				t.Error("the name was taken away")
			}
		})
	}
}

func TestReclaimNames(t *testing.T) {
	d := testDirs(t)
	rec := record(t, d, nil)
	for _, f := range []string{"lost", ".new-old", ".new-young"} {
		must(t, os.WriteFile(filepath.Join(namesDir(d), f), []byte(newID()), 0o600))
	}
	old(t, filepath.Join(namesDir(d), ".new-old"))
	reclaimNames(d)
	left, err := names(namesDir(d))
	must(t, err)
	slices.Sort(left)
	if want := []string{".new-young", rec.Name}; !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}
}

func TestRename(t *testing.T) {
	d := testDirs(t)
	rec, other := record(t, d, nil), record(t, d, nil)
	must(t, Rename(d, rec.Name, "new"))
	got, err := Lookup(d, "new")
	if err != nil || got.ID != rec.ID || got.Name != "new" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Lookup(d, rec.Name); !errors.Is(err, ErrNoContainer) {
		t.Errorf("the old name stays: %v", err)
	}
	// The one that writes the record knows the old name still.
	must(t, saveRecord(rec.dir, rec))
	if got, _ := Lookup(d, "new"); got.Name != "new" {
		t.Errorf("the rename is lost: %s", got.Name)
	}
	must(t, Rename(d, "new", "newer"))
	for _, c := range []struct {
		ref, name string
		want      error
	}{
		{"newer", other.Name, ErrNameInUse},
		{"nosuch", "x", ErrNoContainer},
	} {
		if err := Rename(d, c.ref, c.name); !errors.Is(err, c.want) {
			t.Errorf("rename %s %s: %v", c.ref, c.name, err)
		}
	}
	for _, bad := range []string{"", "../x", "a/b", ".x"} {
		if Rename(d, "newer", bad) == nil {
			t.Errorf("renamed to %q", bad)
		}
	}
	if _, err := Remove(t.Context(), d, "newer", false); err != nil {
		t.Error(err)
	}
	if nameOwner(t, d, "newer") != "" {
		t.Error("the new name stays after rm")
	}
}
