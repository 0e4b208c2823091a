package secret

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	s := Store{Dir: filepath.Join(t.TempDir(), "secrets")}
	a, err := s.Create("a", []byte("one"), map[string]string{"k": "v"}, false)
	must(t, err)
	if _, err := s.Create("a", []byte("two"), nil, false); !errors.Is(err, ErrExists) {
		t.Errorf("%v", err)
	}
	if data, err := s.Data("a"); err != nil || string(data) != "one" {
		t.Errorf("%q %v", data, err)
	}
	b, err := s.Create("a", []byte("two"), nil, true)
	if err != nil || b.ID == a.ID || !b.Created.Equal(a.Created) || b.Updated.Before(a.Updated) {
		t.Errorf("%+v %v", b, err)
	}
	if data, err := s.Data("a"); err != nil || string(data) != "two" {
		t.Errorf("%q %v", data, err)
	}
	for _, ref := range []string{"a", b.ID, b.ID[:5]} {
		if got, err := s.Get(ref); err != nil || got.ID != b.ID {
			t.Errorf("%s: %+v %v", ref, got, err)
		}
	}
	for _, ref := range []string{"", ".", "..", "../secrets/a", "x", ".new-x"} {
		if _, err := s.Get(ref); !errors.Is(err, ErrNotFound) {
			t.Errorf("%q: %v", ref, err)
		}
	}
	for _, data := range []string{"", strings.Repeat("x", MaxSize+1)} {
		if _, err := s.Create("big", []byte(data), nil, false); !errors.Is(err, ErrSize) {
			t.Errorf("%d bytes: %v", len(data), err)
		}
	}
	if left, _ := os.ReadDir(s.Dir); len(left) != 1 {
		t.Errorf("%v", left)
	}
	for _, path := range []string{"", "a", "a/data", "a/secret.json"} {
		info, err := os.Stat(filepath.Join(s.Dir, path))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
	must(t, s.Remove("a"))
	if err := s.Remove("a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
}

func TestDamagedAndReclaim(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	_, err := s.Create("a", []byte("one"), nil, false)
	must(t, err)
	must(t, os.WriteFile(s.path("a", recordName), []byte("{"), 0o600))
	if list, err := s.List(); err != nil || len(list) != 1 || list[0].ID != "" || list[0].Name != "a" {
		t.Errorf("%+v %v", list, err)
	}
	if _, err := s.Data("a"); err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	old := s.path(unfinished + "x")
	must(t, os.Mkdir(old, 0o700))
	s.Reclaim()
	if _, err := os.Stat(old); err != nil {
		t.Error("young", err)
	}
	past := time.Now().Add(-time.Hour)
	must(t, os.Chtimes(old, past, past))
	s.Reclaim()
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Error("old", err)
	}
	if list, err := (Store{Dir: "/nosuch"}).List(); len(list) > 0 || err != nil {
		t.Errorf("%v %v", list, err)
	}
}
