package image

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOwnStorageConf: Burrow's own file goes before Podman's, and has one key.
func TestOwnStorageConf(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	theirs := write("theirs", "[storage]\ndriver='overlay'\ngraphroot='/g'\n[storage.options]\nadditionalimagestores=['/a','/b/']\nmount_program='/x'\n")
	extra := write("extra", "[storage.options]\nadditionalimagestores=['/c']\n")
	for name, c := range map[string]struct {
		own, options string
		conf         StorageConf
		want         []string
		err          string
	}{
		"theirs":            {conf: StorageConf{Main: theirs}, want: []string{"/a", "/b"}},
		"read last":         {conf: StorageConf{Main: theirs, Extra: extra}, want: []string{"/c"}},
		"options":           {conf: StorageConf{Main: theirs}, options: "overlay.imagestore=/o,overlay.size=1,x", want: []string{"/o"}},
		"options without":   {conf: StorageConf{Main: theirs}, options: "overlay.size=1"},
		"own":               {own: "[storage.options]\nadditionalimagestores=['$HOME/m','/n']\n", conf: StorageConf{Main: theirs}, options: "imagestore=/o", want: []string{"/home/m", "/n"}},
		"own, none":         {own: "[storage.options]\nadditionalimagestores=[]\n", conf: StorageConf{Main: theirs}},
		"own says nothing":  {own: "# nothing\n", conf: StorageConf{Main: theirs}, want: []string{"/a", "/b"}},
		"own, another key":  {own: "[storage]\ngraphroot='/x'\n", err: "storage.graphroot"},
		"own, other option": {own: "[storage.options]\nadditionallayerstores=['/x']\n", err: "storage.options.additionallayerstores"},
		"own, no TOML":      {own: "[", err: "storage.conf"},
		"theirs, no TOML":   {conf: StorageConf{Main: write("bad", "[")}, err: "storage.conf"},
		"theirs is missing": {conf: StorageConf{Main: "/nowhere"}, err: "storage.conf"},
	} {
		s := &Store{opts: Options{StorageConf: c.conf, Getenv: func(k string) string {
			return map[string]string{envStorageOpts: c.options, "HOME": "/home"}[k]
		}}}
		s.opts.StorageConf.Own = filepath.Join(dir, "absent.conf")
		if c.own != "" {
			s.opts.StorageConf.Own = write("storage.conf", c.own)
		}
		got, err := s.additionalRoots()
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v %v", name, got, err)
			}
			continue
		}
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v %v, want %v", name, got, err, c.want)
		}
	}
}
