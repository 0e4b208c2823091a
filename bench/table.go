package main

import (
	"fmt"
	"strings"
	"time"
)

// render makes the Markdown table.
func render(rows []row) string {
	var b strings.Builder
	b.WriteString("| what | burrow | peers | ratio | budget | holds |\n|---|---|---|---|---|---|\n")
	for _, r := range rows {
		ours, peers, ratio := "", []string{}, ""
		var mine, theirs time.Duration
		for _, s := range r.samples {
			text := show(s)
			switch s.name {
			case "burrow":
				ours, mine = text, s.median()
			case r.peer:
				theirs = s.median()
				peers = append([]string{s.name + " " + text}, peers...)
			default:
				peers = append(peers, s.name+" "+text)
			}
		}
		held := r.verdict
		if mine > 0 && theirs > 0 {
			x := float64(mine) / float64(theirs)
			ratio = fmt.Sprintf("%.2f", x)
			if held == "" {
				held = yes(x <= r.limit)
			}
		}
		if held == "" {
			held = "no"
		}
		if r.note != "" {
			peers = append(peers, r.note)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", r.title, ours, strings.Join(peers, ", "), ratio, r.budget, held)
	}
	return b.String()
}

func yes(ok bool) string {
	if ok {
		return "yes"
	}
	return "no"
}

// show prints a median, or why there is none, in a cell of a table.
func show(s sample) string {
	if s.err != nil {
		return "failed: " + strings.NewReplacer("|", "/", "\n", " ").Replace(s.err.Error())
	}
	ms := float64(s.median()) / float64(time.Millisecond)
	if ms >= 100 {
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.1f ms", ms)
}
