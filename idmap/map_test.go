package idmap

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestMapString(t *testing.T) {
	m := Map{{0, 0, 1}, {1, 1058, 1023}, {65534, 2081, 1}}
	want := "0 0 1\n1 1058 1023\n65534 2081 1\n"
	if got := m.String(); got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	back, err := ParseMap(strings.NewReader("         0          0          1\n 1 1058 1023\n65534 2081 1\n"))
	if err != nil || back.String() != want {
		t.Errorf("ParseMap() = %v, %v", back, err)
	}
	if got := strings.Join(m.Args(), " "); got != "0 0 1 1 1058 1023 65534 2081 1" {
		t.Errorf("Args() = %q", got)
	}
	for _, bad := range []string{"0 0", "0 0 x", "0 0 4294967296", "0 0 1 1"} {
		if _, err := ParseMap(strings.NewReader(bad)); !errors.Is(err, ErrMap) {
			t.Errorf("ParseMap(%q) = %v, want ErrMap", bad, err)
		}
	}
}

func TestMapLookup(t *testing.T) {
	m := Map{{0, 0, 1}, {1, 1058, 1023}, {65534, 2081, 1}}
	for inner, outer := range map[uint32]uint32{0: 0, 1: 1058, 1023: 2080, 65534: 2081} {
		if got, ok := m.Host(inner); !ok || got != outer {
			t.Errorf("Host(%d) = %d, %v, want %d", inner, got, ok, outer)
		}
		if got, ok := m.Container(outer); !ok || got != inner {
			t.Errorf("Container(%d) = %d, %v, want %d", outer, got, ok, inner)
		}
	}
	for _, id := range []uint32{1024, 65533, 65535, noID} {
		if got, ok := m.Host(id); ok {
			t.Errorf("Host(%d) = %d, want none", id, got)
		}
	}
	if m.Size() != 1025 {
		t.Errorf("Size() = %d, want 1025", m.Size())
	}
}

func TestMapValidate(t *testing.T) {
	wide := Map{}
	for i := range uint32(341) {
		wide = append(wide, Extent{2 * i, 2 * i, 1})
	}
	long := Map{}
	for i := range uint32(300) {
		long = append(long, Extent{1000000 + 2*i, 1000000 + 2*i, 1})
	}
	tests := []struct {
		name string
		m    Map
		why  string
	}{
		{"good", Map{{0, 0, 1}, {1, 5, 9}}, ""},
		{"340 extents", wide[:340], ""},
		{"341 extents", wide, "341 extents"},
		{"page", long, "bytes long"},
		{"empty extent", Map{{0, 0, 0}}, "no IDs"},
		{"wrap", Map{{0, 4294967290, 6}}, "past the last"},
		{"last", Map{{0, 4294967290, 5}}, ""},
		{"inside", Map{{0, 0, 10}, {9, 100, 1}}, "container IDs 0-9 and 9 overlap"},
		{"outside", Map{{0, 0, 10}, {10, 9, 1}}, "host IDs 0-9 and 9 overlap"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.m.Validate()
			if tt.why == "" {
				if err != nil {
					t.Errorf("Validate() = %v", err)
				}
				return
			}
			if !errors.Is(err, ErrMap) || !strings.Contains(err.Error(), tt.why) {
				t.Errorf("Validate() = %v, want %q", err, tt.why)
			}
		})
	}
}

// with must keep every pair that the new extent does not contradict, and no
// other.
func TestWithAgainstPairs(t *testing.T) {
	for seed := range uint64(500) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var m Map
		pairs := map[uint32]uint32{}
		for range 6 {
			e := Extent{rnd.Uint32N(40), rnd.Uint32N(40), 1 + rnd.Uint32N(10)}
			for c, h := range pairs {
				if e.inner().Contains(c) || e.outer().Contains(h) {
					delete(pairs, c)
				}
			}
			for i := range e.Count {
				pairs[e.Container+i] = e.Host + i
			}
			m = m.with(e)
		}
		m = m.tidy()
		if err := m.Validate(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if m.Size() != uint64(len(pairs)) {
			t.Fatalf("seed %d: %d pairs, want %d", seed, m.Size(), len(pairs))
		}
		for c, h := range pairs {
			if got, ok := m.Host(c); !ok || got != h {
				t.Fatalf("seed %d: Host(%d) = %d, want %d", seed, c, got, h)
			}
		}
	}
}
