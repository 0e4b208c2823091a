package posture

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/burrow-run/burrow/security"
)

// Verdict is how what was found compares with what was asked for.
type Verdict string

// The verdicts.
const (
	AsAsked Verdict = "ok"
	Differs Verdict = "differs"
	// Changed is what a process that runs may have changed about itself.
	Changed Verdict = "changed"
	// Noted is what nothing was asked about.
	Noted Verdict = "noted"
	// Unseen is what was asked for and cannot be looked at.
	Unseen Verdict = "unseen"
)

// Fact is one of them beside what was asked for.
type Fact struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Found   string  `json:"found"`           // "" if it is not there
	Asked   string  `json:"asked,omitempty"` // [?] may be missing, * is anything; "" if it should not be there
}

// Report is a process's posture. Its JSON form is stable: keys are added, never
// renamed or removed.
type Report struct {
	PID int `json:"pid"`
	// AtStart says that the process was stopped before its first instruction;
	// else it ran.
	AtStart bool `json:"at_start"`
	// Differ counts the facts that differ.
	Differ int    `json:"differ"`
	Facts  []Fact `json:"facts"`
	// Unseen are layers that the kernel shows to nobody: what was asked for.
	Unseen []Fact `json:"unseen"`
}

// Wish is what should be found.
type Wish struct {
	// Facts are exact, but for [?] and * as in Matches. One whose value begins with
	// [?] may be missing altogether. What is found and not in here differs.
	Facts Facts
	// Note are names about which nothing is asked.
	Note []string
	// Below are directories below which mounts are not looked at: what is mounted
	// there came with what was asked for.
	Below  []string
	Unseen []Fact
}

// Compare makes the report.
func Compare(found Facts, w Wish, pid int, atStart bool) Report {
	r := Report{PID: pid, AtStart: atStart, Facts: []Fact{}, Unseen: slices.Clone(w.Unseen)}
	names := maps.Clone(found)
	maps.Copy(names, w.Facts)
	for _, name := range sorted(names) {
		got, isThere := found[name]
		want, isAsked := w.Facts[name]
		f := Fact{Name: name, Found: got, Asked: want, Verdict: Differs}
		switch {
		case !isThere && strings.HasPrefix(want, "[?]"):
			continue
		case isThere && isAsked && Matches(got, strings.TrimPrefix(want, "[?]")):
			f.Verdict = AsAsked
		case !isAsked && (slices.Contains(w.Note, name) || w.isBelow(name)):
			f.Verdict = Noted
		case !atStart && isThere && w.mayBecome(name, got):
			f.Verdict = Changed
		default:
			r.Differ++
		}
		r.Facts = append(r.Facts, f.spelled())
	}
	return r
}

func (w Wish) isBelow(name string) bool {
	at, ok := strings.CutPrefix(name, "mount ")
	return ok && slices.ContainsFunc(w.Below, func(dir string) bool {
		return strings.HasPrefix(at, strings.TrimSuffix(dir, "/")+"/")
	})
}

// sorted puts what a process is before what it sees.
func sorted(names Facts) []string {
	rank := func(name string) int {
		for i, prefix := range []string{"uid", "gid", "groups", "owners", "loginuid", "Cap", "NoNewPrivs", "Seccomp", "label", "keyring", "ns ", "cgroup"} {
			if strings.HasPrefix(name, prefix) {
				return i
			}
		}
		if strings.HasPrefix(name, "mount ") {
			return 100
		}
		return 50
	}
	return slices.SortedFunc(maps.Keys(names), func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
}

// spelled has capabilities by their names.
func (f Fact) spelled() Fact {
	if strings.HasPrefix(f.Name, "Cap") {
		f.Found, f.Asked = security.CapabilityNames(f.Found), security.CapabilityNames(f.Asked)
	}
	return f
}

// Print writes the report as a table. What differs is followed by what was asked for.
func (r Report) Print(w io.Writer) error {
	var b strings.Builder
	width := 0
	for _, f := range r.Facts {
		width = max(width, len([]rune(plain(f.Name))))
	}
	for _, f := range append(slices.Clone(r.Facts), r.Unseen...) {
		mark := string(f.Verdict)
		if f.Verdict == Differs {
			mark = "DIFFERS"
		}
		found := plain(f.Found)
		if found == "" {
			found = "-"
		}
		fmt.Fprintf(&b, "%-7s  %-*s  %s\n", mark, width, plain(f.Name), found)
		if f.Verdict == Differs || f.Verdict == Changed {
			fmt.Fprintf(&b, "%-7s  %-*s  asked for: %s\n", "", width, "", plain(f.asked()))
		}
	}
	when := "while it runs"
	if r.AtStart {
		when = "before its first instruction"
	}
	verdict := "all as asked for"
	if r.Differ > 0 {
		verdict = fmt.Sprintf("%d DIFFER from what was asked for", r.Differ)
	}
	fmt.Fprintf(&b, "\nprocess %d %s: %d facts, %s\n", r.PID, when, len(r.Facts), verdict)
	_, err := io.WriteString(w, b.String())
	return err
}

// asked is what must be there, without what may be.
func (f Fact) asked() string {
	items := slices.DeleteFunc(strings.Split(f.Asked, ", "), func(s string) bool { return strings.HasPrefix(s, "[?]") })
	if s := strings.Join(items, ", "); s != "" {
		return s
	}
	return "nothing of the kind"
}

// plain keeps what a container wrote from being a terminal's command.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// PrintJSON writes the report as one JSON object.
func (r Report) PrintJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}
