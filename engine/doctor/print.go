package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// Print writes the findings as an aligned table. What is not ok is followed by
// what it costs and by the command that changes it.
func Print(w io.Writer, found []Finding) error {
	width := 0
	for _, f := range found {
		width = max(width, len(f.Name))
	}
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "%-4s  %-*s  %s\n", mark(f.Status), width, f.Name, f.Detail)
		indent := strings.Repeat(" ", 4+2+width+2)
		if f.Cost != "" {
			fmt.Fprintf(&b, "%scosts: %s\n", indent, f.Cost)
		}
		if f.Fix != "" {
			fmt.Fprintf(&b, "%sfix:   %s\n", indent, f.Fix)
		}
	}
	b.WriteString("\n" + summary(found) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func mark(s Status) string {
	if s == Fail {
		return "FAIL"
	}
	return string(s)
}

func summary(found []Finding) string {
	n := map[Status]int{}
	for _, f := range found {
		n[f.Status]++
	}
	verdict := "Containers can run."
	if !CanRun(found) {
		verdict = "Containers cannot run as things are."
	}
	return fmt.Sprintf("%s %d ok, %d to consider, %d in the way.", verdict, n[OK], n[Warn], n[Fail])
}

// Report is the JSON form of the findings.
type Report struct {
	CanRun   bool      `json:"can_run"`
	Findings []Finding `json:"findings"`
}

// PrintJSON writes the findings as one JSON object, a Report.
func PrintJSON(w io.Writer, found []Finding) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(Report{CanRun: CanRun(found), Findings: found}); err != nil {
		return fmt.Errorf("write findings: %w", err)
	}
	return nil
}
