package userns

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/idmap"
)

func TestRanges(t *testing.T) {
	const accounts = "root:x:0:0::/:\nann:x:1000:1000::/:\nsvc:x:300005:300005::/:\n"
	for name, c := range map[string]struct {
		table, helper string
		want          string
		overlap       bool
	}{
		"one line":         {"ann:100000:65536\nbob:165536:65536\n", "", "[100000-165535]", false},
		"by number":        {"1000:100000:10\n", "", "[100000-100009]", false},
		"two lines":        {"ann:100000:10\nann:200000:5\n", "", "[100000-100009 200000-200004]", false},
		"none":             {"bob:100000:10\n", "", "[]", false},
		"somebody else's":  {"ann:100000:10\nbob:100005:10\n", "", "", true},
		"an account's":     {"ann:300000:10\n", "", "", true},
		"name service":     {"", "echo \"0: ann 500000 65536\"", "[500000-565535]", false},
		"service says no":  {"", "exit 1", "[]", false},
		"service: nobody":  {"", "true", "[]", false},
		"service: garbage": {"", "echo 0: ann five six", "error", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			helpers := map[string]string{}
			if c.helper != "" {
				helpers["getsubids"] = c.helper
			}
			programs(t, helpers)
			table := filepath.Join(dir, "subuid")
			if name != "name service" { // nor need there be a file
				must(t, os.WriteFile(table, []byte(c.table), 0o600))
			}
			must(t, os.WriteFile(dir+"/passwd", []byte(accounts), 0o600))
			got, err := ranges(t.Context(), idmap.User{Name: "ann", UID: 1000}, table, dir+"/passwd", false)
			var over *idmap.OverlapError
			switch {
			case c.overlap:
				if !errors.As(err, &over) {
					t.Errorf("%v %v", got, err)
				}
			case c.want == "error":
				if err == nil {
					t.Errorf("%v", got)
				}
			case err != nil || fmt.Sprint(got) != c.want:
				t.Errorf("%v %v, want %s", got, err, c.want)
			}
		})
	}
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/subuid", []byte("ann:100000:10\n"), 0o600))
	if _, err := ranges(t.Context(), idmap.User{Name: "ann"}, dir+"/subuid", dir+"/nosuch", true); err == nil {
		t.Error("nobody's accounts were checked")
	}
	if _, err := ranges(t.Context(), idmap.User{Name: "ann"}, dir, dir, true); err == nil {
		t.Error("a directory was read")
	}
	// The number is asked for where there is no name.
	programs(t, map[string]string{"getsubids": `echo "$@" >` + dir + `/args; exit 1`})
	_, _ = getsubids(t.Context(), idmap.User{UID: 77}, true)
	b, err := os.ReadFile(dir + "/args")
	if err != nil || strings.TrimSpace(string(b)) != "-g 77" {
		t.Errorf("%q %v", b, err)
	}
}

// 0 is always the user; one kind of sub-IDs without the other is of no use.
func TestMaps(t *testing.T) {
	uids, gids, err := Maps(t.Context(), User{Name: "no such user", UID: 65000, GID: 65001})
	must(t, err)
	for _, c := range []struct {
		m    idmap.Map
		self uint32
	}{{uids, 65000}, {gids, 65001}} {
		if host, ok := c.m.Host(0); !ok || host != c.self || c.m.Size() != 1 {
			t.Errorf("%v", c.m)
		}
	}
}
