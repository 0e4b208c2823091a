package vm_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/burrow-run/burrow/engine/audit"
)

// line is a record of a trail, and the hash that the journal must have of it.
type line struct {
	audit.Record
	sum string
}

func (l line) process() string { return fmt.Sprintf("%d-%d", l.PID, l.Started) }

// trail reads a user's.
func (g guest) trail(user string) []line {
	g.Helper()
	var out []line
	for text := range strings.Lines(g.must("root", "cat ~"+user+"/.local/state/burrow/audit.jsonl")) {
		text = strings.TrimSuffix(text, "\n")
		sum := sha256.Sum256([]byte(text))
		l := line{sum: hex.EncodeToString(sum[:])}
		if err := json.Unmarshal([]byte(text), &l.Record); err != nil {
			g.Fatalf("trail of %s: %v: %s", user, err, text)
		}
		out = append(out, l)
	}
	return out
}

// unbracketed says which processes have not one beginning and one end in a trail, and
// which of those that were seen it does not know.
func unbracketed(trail []line, seen []entry) []string {
	type life struct{ begun, ended int }
	lives := map[string]*life{}
	of := func(process string) *life {
		if lives[process] == nil {
			lives[process] = &life{}
		}
		return lives[process]
	}
	for _, l := range trail {
		switch l.Kind { //nolint:exhaustive // others neither begin nor end a process
		case audit.Start, audit.Exec:
			of(l.process()).begun++
		case audit.Died, audit.Lost, audit.ExecDied:
			of(l.process()).ended++
		}
	}
	var bad []string
	for process, l := range lives {
		if l.begun != 1 || l.ended != 1 {
			bad = append(bad, fmt.Sprintf("process %s: %d beginnings, %d ends", process, l.begun, l.ended))
		}
	}
	for _, e := range seen {
		if lives[e.process()] == nil {
			bad = append(bad, fmt.Sprintf("process %s of %s (%s) was seen and is not in the trail", e.process(), e.Container, e.Command))
		}
	}
	return bad
}

// trailIsWhole compares a user's trail with what was seen of him, with itself and with the
// journal. It says how many ends nobody has seen.
func (g guest) trailIsWhole(user, since string, seen []entry) (lost int) {
	g.Helper()
	var his []entry
	for _, e := range seen {
		if e.User == user && !strings.Contains(e.Command, ": health") { // checks are not recorded
			his = append(his, e)
		}
	}
	out := g.must(user, "burrow audit verify")
	begin, _ := strconv.ParseInt(since, 10, 64)
	var recent []line
	for _, l := range g.trail(user) {
		if l.Time.Before(time.Unix(begin, 0)) {
			continue
		}
		recent = append(recent, l)
		if l.Kind == audit.Lost {
			lost++
		}
		if want := g.uid(user); l.LoginUID != want || strconv.Itoa(int(l.UID)) != want {
			g.Errorf("record %d: UID %d, login UID %s, want %s", l.Seq, l.UID, l.LoginUID, want)
		}
	}
	for _, text := range unbracketed(recent, his) {
		g.Error(text)
	}
	g.Logf("%s: %d records, %d processes seen; %s", user, len(recent), len(his), out)
	g.checkCanFail(recent, his)
	g.journalAgrees(user, since, recent)
	return lost
}

// checkCanFail takes away what unbracketed must miss.
func (g guest) checkCanFail(trail []line, seen []entry) {
	g.Helper()
	missed := map[audit.Kind]bool{}
	for i, l := range trail {
		without := append(append([]line{}, trail[:i]...), trail[i+1:]...)
		if missed[l.Kind] || l.PID == 0 || l.Kind == audit.HealthStatus || l.Kind == audit.Remove || l.Kind == audit.Failed {
			continue
		}
		missed[l.Kind] = true
		if len(unbracketed(without, seen)) != len(unbracketed(trail, seen))+1 {
			g.Errorf("without %s of %s nothing is missed", l.Kind, l.process())
		}
	}
	for _, kind := range []audit.Kind{audit.Start, audit.Died, audit.Exec, audit.ExecDied} {
		if !missed[kind] {
			g.Errorf("there was no record %s", kind)
		}
	}
	if len(unbracketed(trail, append(seen, entry{PID: 1, Start: 1}))) != len(unbracketed(trail, seen))+1 {
		g.Error("a process that the trail does not know is not missed")
	}
}

func (g guest) uid(user string) string {
	g.Helper()
	return strings.TrimSpace(g.must("root", "id -u "+user))
}

// journalAgrees demands the records in the journal, with what the kernel says of who sent it.
func (g guest) journalAgrees(user, since string, trail []line) {
	g.Helper()
	uid := g.uid(user)
	byLogin := fmt.Sprintf("_AUDIT_LOGINUID=%s _UID=%s SYSLOG_IDENTIFIER=burrow", uid, uid)
	out := g.must("root", "journalctl --sync; journalctl -q --no-pager -o json --output-fields=BURROW_SHA256,BURROW_ID,BURROW_EVENT --since @"+since+" "+byLogin)
	has := map[string]bool{}
	for text := range strings.Lines(out) {
		var e map[string]string
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			g.Fatalf("journal: %v: %s", err, text)
		}
		has[e["BURROW_SHA256"]] = true
	}
	missing := 0
	for _, l := range trail {
		if !has[l.sum] {
			missing++
		}
	}
	// Who is killed between the two has written to the file only: it happens to few.
	if missing > 1+len(trail)/50 || len(trail) == 0 {
		g.Errorf("%d of %d records are not in the journal", missing, len(trail))
	}
	g.Logf("%s: %d records are in the file only", user, missing)
	for _, l := range trail { // by the container, as docs/security.md says
		if l.Kind != audit.Died {
			continue
		}
		out := g.must("root", fmt.Sprintf("journalctl -q --no-pager -o json --output-fields=BURROW_EVENT _AUDIT_LOGINUID=%s BURROW_ID=%s", uid, l.ID))
		if !strings.Contains(out, `"BURROW_EVENT":"start"`) || !strings.Contains(out, `"BURROW_EVENT":"died"`) {
			g.Errorf("the journal has of %s: %s", l.ID, out)
		}
		break
	}
	if out := g.must(user, "burrow audit verify --journal"); !strings.Contains(out, "the chain holds, the journal has") {
		g.Errorf("verify --journal: %s", out)
	}
}

// tamperingIsFound changes copies of a trail.
func (g guest) tamperingIsFound(user string) {
	g.Helper()
	for _, c := range []struct{ name, change, chain string }{
		{"untouched", "", "holds"},
		{"a record changed", `3s/"uid":/"uid":1/`, "broken at line 4"},
		{"a record removed", "3d", "broken at line 3"},
		{"the first removed", "1d", "broken at line 1"},
		{"cut off at its end", "$d", "holds"},
		{"its last record changed", `$s/"uid":/"uid":1/`, "holds"},
	} {
		// The copy is a state directory of its own, without containers.
		verify := func(how string) string {
			r := g.run(user, fmt.Sprintf(`d=$(mktemp -d) && mkdir -m 0700 $d/burrow && sed '%s' ~/.local/state/burrow/audit.jsonl >$d/burrow/audit.jsonl
				XDG_STATE_HOME=$d burrow audit verify %s 2>&1; rm -rf $d`, c.change, how))
			return r.Stdout
		}
		if got := verify(""); !strings.Contains(got, c.chain) {
			g.Errorf("%s: %s, want %q", c.name, got, c.chain)
		}
		witnessed := verify("--journal")
		if want := map[bool]string{true: "holds", false: "broken at"}[c.change == ""]; !strings.Contains(witnessed, want) {
			g.Errorf("%s, with the journal: %s, want %q", c.name, witnessed, want)
		}
	}
}

// The checks of this file without a machine.
func TestUnbracketed(t *testing.T) {
	begin := line{Record: audit.Record{Kind: audit.Start, PID: 1, Started: 2}}
	end := line{Record: audit.Record{Kind: audit.Died, PID: 1, Started: 2}}
	for name, c := range map[string]struct {
		trail []line
		bad   int
	}{
		"whole":        {[]line{begin, end}, 0},
		"no end":       {[]line{begin}, 1},
		"no beginning": {[]line{end}, 1},
		"ended twice":  {[]line{begin, end, end}, 1},
		"begun twice":  {[]line{begin, begin, end}, 1},
		"not known":    {nil, 1},
	} {
		if bad := unbracketed(c.trail, []entry{{PID: 1, Start: 2}}); len(bad) != c.bad {
			t.Errorf("%s: %q", name, bad)
		}
	}
}
