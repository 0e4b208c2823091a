package image

import (
	"strings"
	"testing"
)

// TestRepairOfHalfAnImage: a command that was killed between an image's record and its
// manifest takes no name and is in nobody's way.
func TestRepairOfHalfAnImage(t *testing.T) {
	s := openStore(t, Options{})
	whole := imported(t, s, "whole", ent{name: "a"})
	half := strings.Repeat("ab", 32)
	if _, err := s.store.CreateImage(half, []string{"localhost/half:latest"}, "", "", nil); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Repair(t.Context()); n != 1 || err != nil {
		t.Fatalf("%d images, %v", n, err)
	}
	if ok, err := s.Exists(half); ok || err != nil {
		t.Errorf("it is there: %v, %v", ok, err)
	}
	if ok, err := s.Exists(whole); !ok || err != nil {
		t.Error(ok, err)
	}
	imported(t, s, "half", ent{name: "b"})
}
