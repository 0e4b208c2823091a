package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/test/cases"
)

// tags are those of hack/test.sh.
const tags = "seccomp exclude_graphdriver_btrfs containers_image_openpgp"

// Results of a test.
const (
	passed  = "pass"
	failed  = "FAIL"
	skipped = "skipped"
	missing = "did not run"
)

// results are what go test said, by test.
type results struct {
	of     map[cases.Test]string
	output map[cases.Test]string // of those that did not pass
}

// runTests runs every test of the rows once and prints the table.
func runTests(ctx context.Context, rows []cases.Row) error {
	got := results{map[cases.Test]string{}, map[cases.Test]string{}}
	for group, tests := range grouped(rows) {
		fmt.Fprintf(os.Stderr, "== %s, %s: %d tests\n", group.dir, placeNames[group.place], len(tests))
		if err := got.run(ctx, group, tests); err != nil {
			return err
		}
	}
	bad := got.print(rows)
	if bad > 0 {
		return fmt.Errorf("%d tests did not pass", bad)
	}
	return nil
}

var placeNames = map[cases.Place]string{cases.AsUser: "as an unprivileged user", cases.AsRoot: "as root", cases.Machine: "in the virtual machine"}

type group struct {
	dir   string
	place cases.Place
}

func grouped(rows []cases.Row) map[group][]cases.Test {
	out := map[group][]cases.Test{}
	for _, r := range rows {
		for _, t := range r.Tests {
			g := group{t.Package, t.Place}
			if !slices.Contains(out[g], t) {
				out[g] = append(out[g], t)
			}
		}
	}
	return out
}

// event is a line of go test -json.
type event struct {
	Action, Test, Output string
}

// run runs the tests of one package and notes what became of each.
func (r results) run(ctx context.Context, g group, tests []cases.Test) error {
	names := make([]string, len(tests))
	for i, t := range tests {
		names[i] = pattern(t.Name)
	}
	cmd, err := goTest(ctx, g, strings.Join(names, "|"), "-json")
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	byName := map[string]cases.Test{}
	for _, t := range tests {
		byName[t.Name] = t
		r.of[t] = missing
	}
	var rest strings.Builder // what the package itself said
	scanner := bufio.NewScanner(out)
	scanner.Buffer(nil, 16<<20)
	for scanner.Scan() {
		var e event
		if json.Unmarshal(scanner.Bytes(), &e) != nil {
			continue
		}
		if e.Test == "" {
			rest.WriteString(e.Output)
		}
		t, ok := byName[e.Test]
		if !ok {
			continue
		}
		switch e.Action {
		case "pass":
			r.of[t] = passed
		case "fail":
			r.of[t] = failed
		case "skip":
			r.of[t] = skipped
		case "output":
			r.output[t] += e.Output
		}
	}
	_ = cmd.Wait() // what failed was noted
	for _, t := range tests {
		if r.of[t] == missing {
			r.output[t] = rest.String()
		}
	}
	return scanner.Err()
}

// goTest prepares go test as hack/test.sh does for that place.
func goTest(ctx context.Context, g group, expr string, flags ...string) (*exec.Cmd, error) {
	args := []string{"test", "-tags", tags, "-count=1", "-timeout", "25m", "-run", expr}
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	switch root := os.Geteuid() == 0; {
	case g.place == cases.AsUser && root:
		args = append(args, "-exec", dir+"/hack/as-user.sh")
	case g.place != cases.AsUser && !root:
		args = append(args, "-exec", "sudo --preserve-env --")
	}
	cmd := exec.CommandContext(ctx, "go", append(append(args, flags...), "./"+g.dir)...)
	cmd.Stderr = os.Stderr
	return cmd, nil
}

// pattern is -run's for one test.
func pattern(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// print writes the table with the results and returns how many tests did not pass.
func (r results) print(rows []cases.Row) (bad int) {
	for _, row := range rows {
		if len(row.Tests) == 0 {
			why := row.Absent
			if why == "" {
				why = "comes with: " + row.Awaits
			}
			fmt.Printf("%s  %-11s  %-11s  %s\n", row.ID, "-", row.Class, row.Attack+" ("+why+")")
			continue
		}
		worst := passed
		for _, t := range row.Tests {
			if r.of[t] != passed && worst != failed {
				worst = r.of[t]
			}
		}
		fmt.Printf("%s  %-11s  %-11s  %s\n", row.ID, worst, row.Class, row.Attack)
		for _, t := range row.Tests {
			fmt.Printf("     %-11s  %s %s\n", r.of[t], t.Package, t.Name)
		}
	}
	for t, result := range r.of {
		if result != passed {
			bad++
			fmt.Printf("\n== %s: %s %s\n%s", result, t.Package, t.Name, r.output[t])
		}
	}
	return bad
}
