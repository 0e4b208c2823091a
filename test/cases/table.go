package cases

import (
	"fmt"
	"strings"
)

// The lines in docs/security.md between which the table is written.
const (
	Begin = "<!-- begin: go run ./hack/cases doc -->"
	End   = "<!-- end -->"
)

// Document returns the document with the table of the rows between its markers.
func Document(doc string, rows []Row) (string, error) {
	before, rest, ok := strings.Cut(doc, Begin+"\n")
	_, after, ok2 := strings.Cut(rest, End)
	if !ok || !ok2 {
		return "", fmt.Errorf("no %s … %s", Begin, End)
	}
	return before + Begin + "\n" + Markdown(rows) + End + after, nil
}

// Markdown writes the table: first what has tests, then what there is nothing
// for yet.
func Markdown(rows []Row) string {
	var b strings.Builder
	b.WriteString("\n| | known as | class | what is tried | tests | what shows that they can fail |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		if len(r.Tests) > 0 {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.ID, known(r), r.Class, r.Attack, tests(r.Tests), control(r))
		}
	}
	b.WriteString("\nNot tested, for there is nothing yet, or never will be, that could be attacked so:\n\n| | known as | class | what is tried | |\n|---|---|---|---|---|\n")
	for _, r := range rows {
		switch {
		case len(r.Tests) > 0:
		case r.Absent != "":
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.ID, known(r), r.Class, r.Attack, r.Absent)
		default:
			fmt.Fprintf(&b, "| %s | %s | %s | %s | comes with: %s |\n", r.ID, known(r), r.Class, r.Attack, r.Awaits)
		}
	}
	b.WriteString("\nLayers that are taken out one by one, besides what the first table says is taken out:\n\n| layer | where | test that fails without |\n|---|---|---|\n")
	for _, m := range Mitigations() {
		fmt.Fprintf(&b, "| %s | `%s` | %s |\n", m.Name, m.File, tests([]Test{m.Test}))
	}
	b.WriteString("\n")
	return b.String()
}

// known shortens the numbers: the prefix is in all of them.
func known(r Row) string {
	if len(r.CVEs) == 0 {
		return "no number"
	}
	out := make([]string, len(r.CVEs))
	for i, c := range r.CVEs {
		out[i] = strings.TrimPrefix(c, "CVE-")
	}
	return strings.Join(out, ", ")
}

func tests(list []Test) string {
	out := make([]string, len(list))
	for i, t := range list {
		name, isScript := strings.CutPrefix(t.Name, "TestScript/")
		if isScript {
			name += ".txtar"
		}
		out[i] = "`" + name + "`"
		if t.Place == Machine {
			out[i] += " (virtual machine)"
		}
	}
	return strings.Join(out, ", ")
}

func control(r Row) string {
	var parts []string
	if r.Control != "" {
		parts = append(parts, r.Control)
	}
	for _, b := range r.Breaks {
		parts = append(parts, "taken out of `"+b.File+"`")
	}
	if r.Awaits != "" {
		parts = append(parts, "the rest comes with: "+r.Awaits)
	}
	return strings.Join(parts, "; ")
}
