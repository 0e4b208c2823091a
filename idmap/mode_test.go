package idmap

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/hint"
)

func TestParseMode(t *testing.T) {
	tests := []struct {
		in   string
		want Mode
		why  string
	}{
		{in: "", want: Mode{}},
		{in: "unique", want: Mode{Kind: Unique}},
		{in: "single", want: Mode{Kind: Single}},
		{in: "nomap", want: Mode{Kind: NoMap}},
		{in: "host", want: Mode{Kind: Host}},
		{in: "auto", want: Mode{Kind: Auto}},
		{in: "auto:size=4096", want: Mode{Kind: Auto, Size: 4096}},
		{in: "auto:uidmapping=5:7:1,gidmapping=6:@8,size=2", want: Mode{
			Kind: Auto, Size: 2, UIDs: []Mapping{{Container: 5, From: 7, Count: 1}},
			GIDs: []Mapping{{Container: 6, From: 8, Count: 1, OfHost: true}},
		}},
		{in: "keep-id", want: Mode{Kind: KeepID}},
		{in: "keep-id:uid=0,gid=5,size=9", want: Mode{Kind: KeepID, UID: new(uint32(0)), GID: new(uint32(5)), Size: 9}},
		{in: "container:db", want: Mode{Kind: Container, Target: "db"}},
		{in: "ns:/proc/7/ns/user", want: Mode{Kind: Path, Target: "/proc/7/ns/user"}},
		{in: "auto:", why: `no option ""`},
		{in: "auto:uid=5", why: "no option"},
		{in: "auto:size=0", why: "size"},
		{in: "auto:size=-1", why: "size"},
		{in: "auto:size=1,size=2", why: "twice"},
		{in: "auto:uidmapping=+1:2:3", why: "flags"},
		{in: "keep-id:uid=4294967295", why: "not an ID"},
		{in: "keep-id:uid=x", why: "not an ID"},
		{in: "unique:size=5", why: "no options"},
		{in: "host:", why: "no options"},
		{in: "container:", why: "no container"},
		{in: "ns:proc", why: "absolute"},
		{in: "private", why: "no such mode"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, err := ParseMode(tt.in)
			if tt.why != "" {
				if !errors.Is(err, ErrSyntax) || !strings.Contains(err.Error(), tt.why) {
					t.Errorf("ParseMode() = %v, want %q", err, tt.why)
				}
				return
			}
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("ParseMode() = %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

// A caller with UID 1000 and two ranges, and a slice with two outliers.
func example() (Caller, *Slice) {
	anchor := Anchor(1000, []Range{{100000, 60000}, {300000, 5536}})
	c := Caller{UID: 1000, GID: 1000, AnchorUIDs: anchor, AnchorGIDs: anchor}
	s := &Slice{Block: Range{1057, 1024}, Extras: map[uint32]uint32{65534: 2081, 12345: 2082}}
	return c, s
}

func TestMaps(t *testing.T) {
	outliers := "12345 2082 1\n65534 2081 1\n"
	tests := []struct{ mode, uid, gid string }{
		{"unique", "0 0 1\n1 1058 1023\n" + outliers, ""},
		{"auto", "0 1057 1024\n" + outliers, ""},
		{"nomap", "0 1057 1024\n" + outliers, ""},
		{"keep-id", "0 1057 1000\n1000 0 1\n1001 2058 23\n" + outliers, ""},
		{"keep-id:uid=0,gid=12345", "0 0 1\n1 1058 1023\n" + outliers, "0 1057 1024\n12345 0 1\n65534 2081 1\n"},
		{"keep-id:uid=5000", "0 1057 1024\n5000 0 1\n" + outliers, "0 1057 1000\n1000 0 1\n1001 2058 23\n" + outliers},
		{"single", "0 0 1\n", ""},
		{"auto:uidmapping=5:0:1", "0 1057 5\n5 0 1\n6 1063 1018\n" + outliers, "0 1057 1024\n" + outliers},
		{"auto:gidmapping=2000:@300001:2", "0 1057 1024\n" + outliers, "0 1057 1024\n2000 60002 2\n" + outliers},
	}
	for _, tt := range tests {
		t.Run(tt.mode, func(t *testing.T) {
			m, err := ParseMode(tt.mode)
			if err != nil {
				t.Fatal(err)
			}
			c, s := example()
			uid, gid, err := Maps(m, s, c)
			if err != nil {
				t.Fatal(err)
			}
			if tt.gid == "" {
				tt.gid = tt.uid
			}
			if uid.String() != tt.uid || gid.String() != tt.gid {
				t.Errorf("uid:\n%swant:\n%sgid:\n%swant:\n%s", uid, tt.uid, gid, tt.gid)
			}
		})
	}
	c, s := example()
	s.Block.Start = 59900 // two lines of subuid meet inside it
	uid, _, err := Maps(Mode{}, s, c)
	if want := "0 0 1\n1 59901 100\n101 60001 923\n" + outliers; err != nil || uid.String() != want {
		t.Errorf("across a border: %v, %v, want %s", uid, err, want)
	}
	for _, mode := range []Mode{{Kind: Host}, {Kind: Container}, {Kind: Path}} {
		if _, _, err := Maps(mode, s, c); err == nil {
			t.Errorf("Maps(%s) has an answer", mode.Kind)
		}
	}
	if _, _, err := Maps(Mode{}, nil, c); err == nil {
		t.Error("Maps without a slice has an answer")
	}
}

// The examples of podman-run(1), for a user with 65,536 sub-IDs in two ranges.
func TestExplicitMaps(t *testing.T) {
	tests := []struct {
		name          string
		uids, gids    []string
		uid, gid, why string
	}{
		{
			name: "one side is copied", uids: []string{"0:0:1", "1:1:999"},
			uid: "0 0 1\n1 1 999\n", gid: "0 0 1\n1 1 999\n",
		},
		{
			name: "count is optional", uids: []string{"7:0"}, uid: "7 0 1\n", gid: "7 0 1\n",
		},
		{
			name: "g is not copied", gids: []string{"0:0:1000", "g2000:2000:1"},
			uid: "0 0 1\n1 1 999\n", gid: "0 0 1\n1 1 999\n2000 2000 1\n",
		},
		{
			name: "plus cuts", gids: []string{"0:0:65000", "+100000:1:1"},
			uid: "0 0 1\n2 2 59999\n60001 60001 4999\n100000 1 1\n", gid: "0 0 1\n2 2 59999\n60001 60001 4999\n100000 1 1\n",
		},
		{
			name: "plus first fills", gids: []string{"+g100000:@300000"},
			uid: "0 0 1\n1 1 60000\n60001 60001 5536\n", gid: "0 0 1\n1 1 60000\n60001 60002 5535\n100000 60001 1\n",
		},
		{
			name: "fill goes around", uids: []string{"+5:0:1"}, gids: []string{"0:0:1"},
			uid: "0 1 5\n5 0 1\n6 6 59995\n60001 60001 5536\n", gid: "0 0 1\n",
		},
		{
			name: "host IDs over two ranges", uids: []string{"10:@159999:1", "20:@300000:2"},
			uid: "10 60000 1\n20 60001 2\n", gid: "10 60000 1\n20 60001 2\n",
		},
		{name: "overlap", uids: []string{"0:0:10", "5:20:1"}, why: "overlap"},
		{name: "outside", uids: []string{"0:65537:1"}, why: "not yours"},
		{name: "foreign host ID", uids: []string{"0:@5:1"}, why: "not yours"},
		{name: "host gap", uids: []string{"0:@159999:2"}, why: "not yours"},
		{name: "words", uids: []string{"a:b:c"}, why: "not an ID"},
		{name: "fields", uids: []string{"1"}, why: "[+ug]"},
		{name: "fields 4", uids: []string{"1:2:3:4"}, why: "[+ug]"},
		{name: "zero", uids: []string{"1:2:0"}, why: "at least 1"},
		{name: "wrap", uids: []string{"4294967290:1:10"}, why: "past the last"},
		{name: "nothing", why: "no --uidmap"},
		{name: "70 KiB", uids: strings.Fields(strings.Repeat("100000:100000:1 ", 4500)), why: "4500 mappings"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := example()
			m, err := ExplicitMode(tt.uids, tt.gids)
			var uid, gid Map
			if err == nil {
				uid, gid, err = Maps(m, nil, c)
			}
			if tt.why != "" {
				if err == nil || !strings.Contains(err.Error(), tt.why) {
					t.Errorf("error %v, want %q", err, tt.why)
				}
				return
			}
			if err != nil || uid.String() != tt.uid || gid.String() != tt.gid {
				t.Errorf("%v\nuid:\n%swant:\n%sgid:\n%swant:\n%s", err, uid, tt.uid, gid, tt.gid)
			}
		})
	}
	m, err := ExplicitMode([]string{"0:@5:1"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := example()
	if _, _, err := Maps(m, nil, c); hint.Of(err) == "" {
		t.Errorf("%v has no hint", err)
	}
}

func TestNamedMode(t *testing.T) {
	c, _ := example()
	own := SubIDs{UIDs: []Range{{300000, 10}, {100000, 5}}, GIDs: []Range{{100000, 5}}}
	uid, gid, err := Maps(NamedMode(own), nil, c)
	if err != nil || uid.String() != "0 60001 10\n10 1 5\n" || gid.String() != "0 1 5\n" {
		t.Errorf("Maps() = %q, %q, %v", uid, gid, err)
	}
	own.GIDs = []Range{{900000, 5}}
	if _, _, err := Maps(NamedMode(own), nil, c); !errors.Is(err, ErrMap) {
		t.Errorf("foreign range: %v, want ErrMap", err)
	}
}

func TestShift(t *testing.T) {
	c, s := example()
	unique, _, err := Maps(Mode{}, s, c)
	if err != nil {
		t.Fatal(err)
	}
	auto, _, err := Maps(Mode{Kind: Auto}, s, c)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		m          Map
		id, to     uint32
		needed, ok bool
	}{
		{unique, 0, 0, false, true},
		{unique, 42, 1099, true, true},
		{unique, 65534, 2081, true, true},
		{unique, 30000, 0, false, false},
		{auto, 0, 1057, true, true},
		{auto, 42, 1099, true, true},
	}
	for _, tt := range tests {
		to, needed, ok := ShiftNeeded(tt.m, tt.id)
		if to != tt.to || needed != tt.needed || ok != tt.ok {
			t.Errorf("ShiftNeeded(%d) = %d, %v, %v, want %d, %v, %v", tt.id, to, needed, ok, tt.to, tt.needed, tt.ok)
		}
	}
	key := ShiftKey(unique, unique, []uint32{42}, nil)
	other := s.Map().with(Extent{7, 9000, 1}).with(Extent{0, 0, 1})
	if got := ShiftKey(other, unique, []uint32{42, 42, 0}, nil); got != key {
		t.Error("an ID that the image does not use changes the key")
	}
	for name, got := range map[string]string{
		"root moved":  ShiftKey(auto, unique, []uint32{42}, nil),
		"other owner": ShiftKey(unique.with(Extent{42, 9000, 1}), unique, []uint32{42}, nil),
		"other IDs":   ShiftKey(unique, unique, []uint32{43}, nil),
		"groups":      ShiftKey(unique, unique, nil, []uint32{42}),
	} {
		if got == key {
			t.Errorf("%s: the key does not change", name)
		}
	}
}

func FuzzParseMode(f *testing.F) {
	for _, s := range []string{"auto:size=5", "keep-id:uid=5,gid=7", "auto:uidmapping=5:@7:1", "ns:/x", "container:a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMode(s)
		if err != nil || !m.OwnNamespace() {
			return
		}
		c, slice := example()
		uid, gid, err := Maps(m, slice, c)
		if err != nil {
			return
		}
		for _, got := range []Map{uid, gid} {
			if err := got.Validate(); err != nil {
				t.Errorf("%s: %v", s, err)
			}
		}
	})
}

func FuzzExplicitMode(f *testing.F) {
	f.Add("+g100000:@300000 0:0:5", "")
	f.Add("0:0:65000 +100000:1:1", "u5:6:7")
	f.Add("+5:0:1", "+0:@1000")
	f.Fuzz(func(t *testing.T, uids, gids string) {
		m, err := ExplicitMode(strings.Fields(uids), strings.Fields(gids))
		if err != nil {
			return
		}
		c, _ := example()
		uid, gid, err := Maps(m, nil, c)
		if err != nil {
			return
		}
		for _, got := range []Map{uid, gid} {
			if err := got.Validate(); err != nil {
				t.Errorf("%q %q: %v", uids, gids, err)
			}
			for _, e := range got {
				if e.outer().end() > c.AnchorUIDs.Size() {
					t.Errorf("%q %q maps %s, which the anchor lacks", uids, gids, e.outer())
				}
			}
		}
	})
}
