package audit

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/burrow-run/burrow/internal/sys"
)

// kinds are those of all records, with the pid of each.
func kinds(t *testing.T, trail Trail) string {
	t.Helper()
	var out []string
	if err := trail.Read(t.Context(), false, func(r Record) error {
		out = append(out, fmt.Sprintf("%s:%s:%d", r.Kind, r.ID, r.PID))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n, err := trail.Verify(); err != nil || n != len(out) {
		t.Errorf("Verify() = %d, %v", n, err)
	}
	return strings.Join(out, " ")
}

func all(sys.ProcID) bool { return true }

func TestSettle(t *testing.T) {
	begun := func(kind Kind, id string, pid int) Record {
		return Record{Kind: kind, ID: id, PID: pid, Started: uint64(pid)}
	}
	for name, c := range map[string]struct {
		before []Record
		first  int
		over   func(sys.ProcID) bool
		want   string
	}{
		"a killed run":             {[]Record{begun(Start, "a", 1)}, 1, all, "start:a:1 lost:a:1"},
		"killed before it said so": {nil, 1, all, "start:a:1 lost:a:1"},
		"it goes on":               {[]Record{begun(Start, "a", 1)}, 1, func(sys.ProcID) bool { return false }, "start:a:1"},
		"not known, and goes on":   {nil, 1, func(sys.ProcID) bool { return false }, ""},
		"all is said":              {[]Record{begun(Start, "a", 1), begun(Died, "a", 1)}, 1, all, "start:a:1 died:a:1"},
		"the payload never ran":    {[]Record{begun(Failed, "a", 1)}, 1, all, "failed:a:1"},
		"an exec": {
			[]Record{begun(Start, "a", 1), begun(Exec, "a", 2), begun(Exec, "a", 3), begun(ExecDied, "a", 2)},
			1,
			func(p sys.ProcID) bool { return p.PID == 3 }, "start:a:1 exec:a:2 exec:a:3 exec_died:a:2 exec_died:a:3",
		},
		"an earlier life": {
			[]Record{begun(Start, "a", 1), begun(Start, "a", 2)},
			2, func(p sys.ProcID) bool { return p.PID == 1 },
			"start:a:1 start:a:2 lost:a:1",
		},
		"another's": {[]Record{begun(Start, "b", 1), begun(Exec, "b", 2)}, 0, all, "start:b:1 exec:b:2"},
		"the number of another process": {
			[]Record{begun(Start, "a", 1), {Kind: Died, ID: "a", PID: 1, Started: 99}}, 1, all, "start:a:1 died:a:1 lost:a:1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			trail := At(t.TempDir())
			for _, r := range c.before {
				if _, err := trail.Append(r); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 { // once settled, it stays so
				if err := trail.Settle(begun(Start, "a", c.first), c.over); err != nil {
					t.Fatal(err)
				}
			}
			if got := kinds(t, trail); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// Of many who find out, and of one who knows, one writes.
func TestEndIsWrittenOnce(t *testing.T) {
	trail := At(t.TempDir())
	for pid := 1; pid <= 20; pid++ {
		r := Record{Kind: Exec, ID: "a", PID: pid, Started: 7}
		since, err := trail.Append(r)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if err := trail.Settle(Record{Kind: Start, ID: "a"}, all); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Go(func() {
			r.Kind = ExecDied
			if err := trail.WriteEnd(r, since); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
	}
	if got := kinds(t, trail); strings.Count(got, "exec_died") != 20 || strings.Count(got, "exec:") != 20 {
		t.Error(got)
	}
}

// What the end of a life says is what its beginning did.
func TestSettledIsWhole(t *testing.T) {
	trail := At(t.TempDir())
	begin := Record{Kind: Start, ID: "a", Name: "web", PID: 1, Started: 2, UID: 1000, ImageID: "i", Userns: "user:[1]"}
	if _, err := trail.Append(begin); err != nil {
		t.Fatal(err)
	}
	if err := trail.Settle(Record{Kind: Start, ID: "a", PID: 1, Started: 2}, all); err != nil {
		t.Fatal(err)
	}
	var last Record
	_ = trail.Read(t.Context(), false, func(r Record) error { last = r; return nil })
	if last.Kind != Lost || last.Name != "web" || last.UID != 1000 || last.Userns != "user:[1]" || last.ExitCode != nil || last.Seq != 2 {
		t.Errorf("%+v", last)
	}
}

// A name does not get into another's life by looking like its ID.
func TestSettleReadsFields(t *testing.T) {
	trail := At(t.TempDir())
	if _, err := trail.Append(Record{Kind: Exec, ID: "b", Name: "a", PID: 5}); err != nil {
		t.Fatal(err)
	}
	if err := trail.Settle(Record{ID: "a"}, all); err != nil {
		t.Fatal(err)
	}
	if got := kinds(t, trail); got != "exec:b:5" {
		t.Error(got)
	}
}

func TestLoginUIDOfTheHost(t *testing.T) {
	text, err := os.ReadFile("/proc/self/loginuid")
	if err != nil {
		t.Skip("this kernel has no audit")
	}
	if got := loginUID(); got != strings.Replace(string(text), "4294967295", Unset, 1) {
		t.Errorf("loginUID() = %q, the kernel says %s", got, text)
	}
}
