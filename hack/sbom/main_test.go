package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDescribe reads this test's own executable: what is linked is in the list, once
// and with its version, and a second look says the same.
func TestDescribe(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	libs := []component{library("libseccomp", "2.5.4", "pkg:generic/libseccomp@2.5.4")}
	b, err := describe([]string{exe}, libs)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := describe([]string{exe}, libs); err != nil || !bytes.Equal(b, again) {
		t.Errorf("a second look differs: %v", err)
	}
	var doc document
	if err := json.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	seen := map[string]component{}
	for _, c := range doc.Components {
		if _, twice := seen[c.Ref]; twice {
			t.Errorf("%s is there twice", c.Ref)
		}
		seen[c.Ref] = c
	}
	program := doc.Dependencies[0].Ref
	if h := seen[program].Hashes; len(h) != 1 || len(h[0].Content) != 64 || !strings.HasPrefix(program, "pkg:generic/"+filepath.Base(exe)) {
		t.Errorf("the executable: %+v", seen[program])
	}
	for _, ref := range doc.Dependencies[0].On {
		c, ok := seen[ref]
		if !ok || c.Version == "" || c.PURL == "" {
			t.Errorf("%s: %+v", ref, c)
		}
		if c.Name == "stdlib" && !strings.HasPrefix(c.Version, "1.") {
			t.Errorf("the standard library is %+v", c)
		}
	}
	if len(doc.Dependencies[0].On) != len(doc.Components)-1 {
		t.Errorf("%d components, %d of them needed", len(doc.Components), len(doc.Dependencies[0].On))
	}
}

func TestDescribeRefuses(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, paths := range [][]string{nil, {script}, {script + "-not"}} {
		if b, err := describe(paths, nil); err == nil {
			t.Errorf("%v: %s", paths, b)
		}
	}
}
