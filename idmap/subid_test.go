package idmap

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/hint"
)

var alice = User{Name: "alice", UID: 1000}

func table(t testing.TB, text string) *Table {
	t.Helper()
	tab, err := ParseTable(strings.NewReader(text), "/etc/subuid")
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// subidCases are files and what they give to alice; why is part of the error.
var subidCases = []struct {
	name, text, why string
	want            []Range
}{
	{"one", "alice:100000:65536\n", "", []Range{{100000, 65536}}},
	{"no newline", "alice:100000:65536", "", []Range{{100000, 65536}}},
	{"file order", "alice:300000:10\nbob:1:1\nalice:100000:20\n", "", []Range{{300000, 10}, {100000, 20}}},
	{"same twice", "alice:100000:10\nalice:100000:10\n", "", []Range{{100000, 10}}},
	{"comments", "# alice:1:1\n\n#\nalice:100000:65536\n", "", []Range{{100000, 65536}}},
	{"others are broken", "bob\nbob:x:y\nbob:1:0\n:::\nalice:100000:65536\n", "", []Range{{100000, 65536}}},
	{"the end", "alice:4294967294:1\n", "", []Range{{4294967294, 1}}},
	{"empty", "", "no subordinate IDs for alice", nil},
	{"no line", "bob:100000:65536\n", "no subordinate IDs for alice", nil},
	{"letters", "bob:1:1\nalice:abc:1\n", `/etc/subuid:2: line of alice: start "abc"`, nil},
	{"no count", "alice:100000\n", "/etc/subuid:1:", nil},
	{"four fields", "alice:1:2:3\n", "", []Range{{1, 2}}},
	{"count 0", "alice:100000:0\n", "count is 0", nil},
	{"negative", "alice:-1:5\n", "start", nil},
	{"past 2^32", "alice:1:4294967296\n", "past the last ID", nil},
	{"wraps", "alice:4294967295:1\n", "past the last ID", nil},
	{"past 2^64", "alice:1:18446744073709551617\n", "is not a number", nil},
	{"CRLF", "bob:1:1\r\nalice:100000:65536\r\n", "carriage return", nil},
	{"long", "alice:100000:" + strings.Repeat("0", 1100) + "1\n", "newuidmap reads", nil},
}

func TestRanges(t *testing.T) {
	for _, tt := range subidCases {
		t.Run(tt.name, func(t *testing.T) {
			got, err := table(t, tt.text).Ranges(alice)
			if tt.why != "" {
				if err == nil || !strings.Contains(err.Error(), tt.why) || hint.Of(err) == "" {
					t.Errorf("Ranges() = %v, %v (hint %q), want %q", got, err, hint.Of(err), tt.why)
				}
				return
			}
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("Ranges() = %v, %v, want %v", got, err, tt.want)
			}
		})
	}
	if _, err := table(t, "").Ranges(alice); !errors.Is(err, ErrNoSubIDs) {
		t.Errorf("%v is not ErrNoSubIDs", err)
	}
	got, err := table(t, "1000:200000:7\nalice:100000:5\n").Ranges(alice)
	if err != nil || !slices.Equal(got, []Range{{200000, 7}, {100000, 5}}) {
		t.Errorf("by number: %v, %v", got, err)
	}
}

// What shadow's own parser accepts or ignores, ours accepts or refuses.
func TestRangesMatchGetsubids(t *testing.T) {
	getsubids, err := exec.LookPath("getsubids")
	if err != nil {
		t.Skip("getsubids is not installed")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can put another /etc/subuid in place")
	}
	if hasUser("alice") {
		t.Skip("the machine has a user alice")
	}
	for _, tt := range subidCases {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "subuid")
			if err := os.WriteFile(file, []byte(tt.text), 0o644); err != nil {
				t.Fatal(err)
			}
			script := fmt.Sprintf("mount --bind %s /etc/subuid && exec %s alice", file, getsubids)
			out, runErr := exec.Command("unshare", "-m", "sh", "-c", script).Output()
			theirs, err := ParseGetsubids(strings.NewReader(string(out)), alice)
			ours, oursErr := table(t, tt.text).Ranges(alice)
			if oursErr != nil {
				// What we refuse gives alice nothing there either, except where
				// the numbers are such that the kernel would refuse them.
				if err == nil && !strings.Contains(oursErr.Error(), "past the last ID") && !strings.Contains(oursErr.Error(), "count is 0") {
					t.Errorf("getsubids says %v, we say %v", theirs, oursErr)
				}
				return
			}
			slices.SortFunc(theirs, func(a, b Range) int { return int(int64(a.Start) - int64(b.Start)) })
			slices.SortFunc(ours, func(a, b Range) int { return int(int64(a.Start) - int64(b.Start)) })
			if err != nil || !slices.Equal(ours, theirs) {
				t.Errorf("getsubids says %v (%v, %v), we say %v", theirs, err, runErr, ours)
			}
		})
	}
}

func hasUser(name string) bool { return exec.Command("getent", "passwd", name).Run() == nil }

func TestParseGetsubids(t *testing.T) {
	got, err := ParseGetsubids(strings.NewReader("0: alice 100000 65536\n1: alice 300000 10\n"), alice)
	if err != nil || !slices.Equal(got, []Range{{100000, 65536}, {300000, 10}}) {
		t.Errorf("ParseGetsubids() = %v, %v", got, err)
	}
	if _, err := ParseGetsubids(strings.NewReader("Error fetching ranges\n"), alice); !errors.Is(err, ErrNoSubIDs) {
		t.Errorf("no ranges: %v", err)
	}
	if _, err := ParseGetsubids(strings.NewReader("0: alice 5 0\n"), alice); err == nil {
		t.Error("count 0 was accepted")
	}
}

func TestCheckOverlap(t *testing.T) {
	tests := []struct {
		name, text string
		accounts   []Account
		other      string
	}{
		{"none", "bob:1:99999\nalice:100000:65536\ncarol:165536:65536\n", []Account{{"alice", 1000}, {"last", 99999}, {"next", 165536}}, ""},
		{"line", "bob:165535:2\nalice:100000:65536\n", nil, "165535-165536 of bob (/etc/subuid:1)"},
		{"whole line", "alice:100000:65536\nbob:100010:1\n", nil, "100010 of bob (/etc/subuid:2)"},
		{"account", "alice:1000000:65536\n", []Account{{"ldapuser", 1065535}}, "1065535 of account ldapuser"},
		{"itself", "alice:100000:10\nalice:100009:10\n", nil, "100000-100009 of alice itself"},
		{"own account", "alice:500:1000\n", []Account{{"alice", 1000}}, "account alice"},
		{"nobody", "alice:65530:10\n", []Account{{"nobody", 65534}}, "account nobody"},
		{"dynamic", "alice:65519:1\n", nil, "61184-65519 of systemd dynamic users"},
		{"beside dynamic", "alice:65520:1\nalice:61183:1\n", nil, ""},
		{"broken line of another", "bob:100000:x\nalice:100000:1\n", nil, ""},
		{"nspawn pool", "alice:524288:65536\n", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tab := table(t, tt.text)
			own, err := tab.Ranges(alice)
			if err != nil {
				t.Fatal(err)
			}
			err = CheckOverlap(alice, own, tab, tt.accounts, false)
			if tt.other == "" {
				if err != nil {
					t.Errorf("CheckOverlap() = %v", err)
				}
				return
			}
			var over *OverlapError
			if !errors.As(err, &over) || !errors.Is(err, ErrOverlap) {
				t.Fatalf("CheckOverlap() = %v", err)
			}
			if !strings.Contains(err.Error(), "of alice overlap "+tt.other) && !strings.Contains(err.Error(), tt.other) {
				t.Errorf("CheckOverlap() = %q, want %q", err, tt.other)
			}
			if h := hint.Of(err); !strings.HasPrefix(h, "sudo usermod --del-subuids ") || !strings.Contains(h, "--add-subuids") {
				t.Errorf("hint %q", h)
			}
		})
	}
}

func TestHintGivesFreeRange(t *testing.T) {
	tab := table(t, "bob:100000:65536\ncarol:200000:65536\n")
	_, err := tab.Ranges(alice)
	if got := hint.Of(err); got != "sudo usermod --add-subuids 265536-331071 alice" {
		t.Errorf("hint %q", got)
	}
}

func TestOwner(t *testing.T) {
	tab := table(t, "bob:100000:65536\nbroken:x:1\n1000:200000:10\n")
	for id, want := range map[uint32]string{99999: "", 100000: "bob", 165535: "bob", 165536: "", 200009: "1000"} {
		if got, ok := tab.Owner(id); got != want || ok != (want != "") {
			t.Errorf("Owner(%d) = %q, %v, want %q", id, got, ok, want)
		}
	}
}

func TestAnchor(t *testing.T) {
	ranges := []Range{{300000, 10}, {100000, 20}}
	if got, want := Anchor(1000, ranges).String(), "0 1000 1\n1 300000 10\n11 100000 20\n"; got != want {
		t.Errorf("Anchor() = %q, want %q", got, want)
	}
	root := Anchor(0, ranges)
	if _, ok := root.Container(0); ok || root.String() != "0 300000 10\n10 100000 20\n" {
		t.Errorf("Anchor(root) = %q, which must leave host root out", root)
	}
	if got := Available(Anchor(1000, ranges), Anchor(1000, ranges[:1])); got != 10 {
		t.Errorf("Available() = %d, want 10", got)
	}
	if got := Available(nil, nil); got != 0 {
		t.Errorf("Available() of nothing = %d", got)
	}
}

func TestParseAccounts(t *testing.T) {
	got, err := ParseAccounts(strings.NewReader("root:x:0:0::/root:/bin/sh\n# c\n+::::::\nbob:x:1001:\nbad:x:y:\n"))
	if err != nil || !slices.Equal(got, []Account{{"root", 0}, {"bob", 1001}}) {
		t.Errorf("ParseAccounts() = %v, %v", got, err)
	}
}

func FuzzTable(f *testing.F) {
	for _, tt := range subidCases {
		f.Add(tt.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tab, err := ParseTable(strings.NewReader(text), "/etc/subuid")
		if err != nil {
			t.Fatal(err)
		}
		got, err := tab.Ranges(alice)
		if (err == nil) == (len(got) == 0) {
			t.Errorf("Ranges() = %v, %v", got, err)
		}
		for _, r := range got {
			if r.Count == 0 || r.end() > noID {
				t.Errorf("range %+v", r)
			}
		}
		if err == nil && CheckOverlap(alice, got, tab, nil, false) == nil && len(got) <= 50 {
			if err := Anchor(alice.UID, got).Validate(); err != nil && !slices.ContainsFunc(got, func(r Range) bool { return r.Contains(1000) }) {
				t.Errorf("anchor of %v: %v", got, err)
			}
		}
	})
}

func FuzzParseGetsubids(f *testing.F) {
	f.Add("0: alice 100000 65536\n1: alice 300000 10\n")
	f.Add("Error fetching ranges\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseGetsubids(strings.NewReader(text), alice)
		if (err == nil) == (len(got) == 0) {
			t.Errorf("ParseGetsubids() = %v, %v", got, err)
		}
		for _, r := range got {
			if r.Count == 0 || r.end() > noID {
				t.Errorf("range %+v", r)
			}
		}
	})
}
