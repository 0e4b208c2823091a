package volume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/burrow-run/burrow/idmap"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func testStore(t *testing.T) Store { return Store{Dir: filepath.Join(t.TempDir(), "volumes")} }

func TestStore(t *testing.T) {
	s := testStore(t)
	if list, damaged, err := s.List(); len(list)+len(damaged) > 0 || err != nil {
		t.Errorf("%v %v %v", list, damaged, err)
	}
	must(t, s.Create(Volume{Name: "b", Labels: map[string]string{"k": "v"}}))
	must(t, s.Create(Volume{Name: "abc", Container: "x"}))
	must(t, os.WriteFile(s.Data("b")+"/f", nil, 0o600))
	if err := s.Create(Volume{Name: "b"}); !errors.Is(err, ErrExists) {
		t.Errorf("%v", err)
	}
	b, err := s.Get("b")
	if err != nil || b.Labels["k"] != "v" || b.Anonymous() || time.Since(b.Created) > time.Minute || b.Owner() != "volume b" {
		t.Errorf("%+v %v", b, err)
	}
	if v, err := s.Find("ab"); err != nil || v.Name != "abc" || !v.Anonymous() {
		t.Errorf("%+v %v", v, err)
	}
	must(t, s.Create(Volume{Name: "abd"}))
	if _, err := s.Find("ab"); err == nil || !strings.Contains(err.Error(), "2 volumes") {
		t.Errorf("%v", err)
	}
	for _, name := range []string{"", ".", "..", "../volumes/b", ".new-x", "nosuch", "b/"} {
		if _, err := s.Get(name); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
	b.Slice = &idmap.SliceRef{First: 1, Count: 1, Size: 2}
	must(t, s.Save(b))
	if again, err := s.Get("b"); err != nil || *again.Slice != *b.Slice {
		t.Errorf("%+v %v", again, err)
	}
	must(t, s.Remove("b"))
	if names, err := s.Names(); err != nil || !slices.Equal(names, []string{"abc", "abd"}) {
		t.Errorf("%v %v", names, err)
	}
	if left, _ := os.ReadDir(s.Dir); len(left) != 2 {
		t.Errorf("%v", left)
	}
}

func TestDamaged(t *testing.T) {
	s := testStore(t)
	must(t, s.Create(Volume{Name: "good"}))
	must(t, s.Create(Volume{Name: "bad"}))
	for name, text := range map[string]string{"empty": "", "cut off": `{"version":1,"na`, "another's": `{"version":1,"name":"good"}`, "none": `{}`} {
		must(t, os.WriteFile(s.path("bad", recordName), []byte(text), 0o600))
		if v, err := s.Get("bad"); !errors.Is(err, ErrDamaged) || v.Name != "bad" {
			t.Errorf("%s: %+v %v", name, v, err)
		}
	}
	list, damaged, err := s.List()
	if err != nil || len(list) != 1 || len(damaged) != 1 {
		t.Errorf("%v %v %v", list, damaged, err)
	}
	must(t, os.WriteFile(s.path("bad", recordName), []byte(`{"version":99,"name":"bad"}`), 0o600))
	if _, err := s.Get("bad"); err == nil || errors.Is(err, ErrDamaged) {
		t.Errorf("%v", err)
	}
	must(t, os.Remove(s.path("bad", recordName)))
	if _, err := s.Get("bad"); !errors.Is(err, ErrDamaged) {
		t.Errorf("%v", err)
	}
}

// Of many that make the same volume one wins, and what others see is whole.
func TestCreateAtOnce(t *testing.T) {
	s := testStore(t)
	var wait sync.WaitGroup
	won := make(chan bool, 20)
	for range 20 {
		wait.Go(func() {
			err := s.Create(Volume{Name: "v"})
			if err != nil && !errors.Is(err, ErrExists) {
				t.Error(err)
			}
			if _, err := s.Get("v"); err != nil {
				t.Error(err)
			}
			won <- err == nil
		})
	}
	wait.Wait()
	close(won)
	winners := 0
	for w := range won {
		if w {
			winners++
		}
	}
	if left, _ := os.ReadDir(s.Dir); winners != 1 || len(left) != 1 {
		t.Errorf("%d, %v", winners, left)
	}
}

func TestLocks(t *testing.T) {
	s := testStore(t)
	must(t, s.Create(Volume{Name: "v"}))
	lock, err := s.Lock(t.Context(), "v")
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, err := s.Lock(ctx, "v"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	one, err := s.Use("v", false)
	must(t, err)
	two, err := s.Use("v", false)
	must(t, err)
	one.Close()
	if _, err := s.Use("v", true); !errors.Is(err, ErrInUse) {
		t.Errorf("%v", err)
	}
	two.Close()
	three, err := s.Use("v", true)
	must(t, err)
	if _, err := s.Use("v", false); !errors.Is(err, ErrInUse) {
		t.Errorf("%v", err)
	}
	three.Close()
	// Who waits for a volume that is removed meanwhile does not get it.
	done := make(chan error)
	go func() {
		_, err := s.Lock(t.Context(), "v")
		done <- err
	}()
	time.Sleep(5 * time.Millisecond)
	must(t, s.Remove("v"))
	lock.Close()
	if err := <-done; !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	if _, err := s.LockSoon("v"); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestReclaim(t *testing.T) {
	s := testStore(t)
	must(t, s.Create(Volume{Name: "v"}))
	old, young := s.path(unfinished+"old"), s.path(unfinished+"young")
	must(t, os.Mkdir(old, 0o700))
	must(t, os.Mkdir(young, 0o700))
	past := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(old, past, past))
	must(t, os.Chtimes(s.path("v"), past, past))
	s.Reclaim()
	left, err := os.ReadDir(s.Dir)
	if err != nil || len(left) != 2 || left[0].Name() != unfinished+"young" || left[1].Name() != "v" {
		t.Errorf("%v %v", left, err)
	}
	Store{Dir: "/nosuch"}.Reclaim()
}

func TestParseOptions(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "",
		"type=none":                      "",
		"type=tmpfs device=tmpfs":        "tmpfs mode=1777",
		"type=tmpfs o=size=1k,mode=700":  "tmpfs mode=0700,size=1024",
		"type=tmpfs o=nr_inodes=5":       "tmpfs mode=1777,nr_inodes=5",
		"o=bind device=/a/../b":          "bind /b",
		"type=none o=rbind,ro device=/b": "bind /b ro",
		"type=bind device=/b":            "bind /b",
		"o=uid=5,gid=6":                  "5:6",
		"nocopy=":                        "nocopy",
		"copy=":                          "",
		"o=noquota":                      "",

		"copy= nocopy=":                  "excludes nocopy",
		"o=bind":                         "needs device=DIRECTORY",
		"o=bind device=b":                "not an absolute path",
		"type=ext4 o=bind device=/dev/x": "excludes o=bind",
		"type=ext4":                      "needs root",
		"device=/x":                      "needs o=bind",
		"o=size=5":                       "need quotas",
		"o=uid=-1":                       "is not an ID",
		"type=tmpfs o=mode=9":            "octal",
		"type=tmpfs o=size=x":            "size=x",
		"o=suid":                         "is unknown",
		"o=upperdir=/x":                  "is unknown",
		"x=y":                            "unknown; the driver local knows",
	} {
		options := map[string]string{}
		for f := range strings.FieldsSeq(text) {
			k, v, _ := strings.Cut(f, "=")
			options[k] = v
		}
		m, err := ParseOptions(options)
		got := ""
		switch {
		case err != nil:
			if !errors.Is(err, ErrOption) || want == "" || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", text, err)
			}
			continue
		case m.Type == Tmpfs:
			got = "tmpfs " + m.Data
		case m.Type == Bind:
			got = "bind " + m.Source
		case m.NoCopy:
			got = "nocopy"
		case m.UID != nil && m.GID != nil && *m.UID == 5 && *m.GID == 6:
			got = "5:6"
		}
		if m.ReadOnly {
			got += " ro"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestOwners(t *testing.T) {
	a := Owners{UIDs: idmap.Map{{Container: 0, Host: 0, Count: 1}}, GIDs: idmap.Map{{Container: 0, Host: 5, Count: 1}}}
	if !(Owners{}).None() || a.None() || !a.Equal(a) || a.Equal(Owners{}) {
		t.Error("compare")
	}
	if both, ok := a.Join(Owners{}); !ok || !both.Equal(a) {
		t.Errorf("%+v %v", both, ok)
	}
	if _, ok := a.Join(Owners{UIDs: a.UIDs, GIDs: a.UIDs}); ok {
		t.Error("groups contradict each other")
	}
}
