package main

import (
	"fmt"
	"strings"
)

// page is a command's help, taken apart.
type page struct {
	name, short, description, example string
	usage                             []string
	commands, flags, global           []item
	above                             []string
}

// item is a command with its one line, or flags with what they do.
type item struct{ name, text string }

// parse reads cobra's help:
//
//	Description, any number of lines
//
//	Usage:
//	  burrow run [OPTIONS] IMAGE
//
//	Flags:
//	  -e, --env stringArray   set a variable
//	      --rm                remove it afterwards
func parse(help string) page {
	var p page
	section := ""
	var description, example []string
	for line := range strings.Lines(help) {
		line = strings.TrimRight(line, "\r\n ")
		if strings.HasSuffix(line, ":") && !strings.HasPrefix(line, " ") && known(line) {
			section = line
			continue
		}
		body := strings.TrimSpace(line)
		switch {
		case section == "":
			description = append(description, line)
		case section == "Examples:":
			example = append(example, line)
		case body == "" || strings.HasPrefix(body, "Use \""):
		case section == "Usage:":
			p.usage = append(p.usage, body)
		case strings.HasSuffix(section, "Commands:"):
			name, text, _ := strings.Cut(body, " ")
			p.commands = append(p.commands, item{name, strings.TrimSpace(text)})
		case section == "Flags:":
			p.flags = flagLine(p.flags, line)
		case section == "Global Flags:":
			p.global = flagLine(p.global, line)
		}
	}
	p.description = strings.TrimSpace(strings.Join(description, "\n"))
	p.example = strings.Trim(strings.Join(example, "\n"), "\n")
	return p
}

func known(line string) bool {
	switch line {
	case "Usage:", "Aliases:", "Examples:", "Available Commands:", "Additional Commands:", "Flags:", "Global Flags:":
		return true
	}
	return false
}

// flagLine adds a flag, or goes on with the text of the one before.
func flagLine(list []item, line string) []item {
	body := strings.TrimSpace(line)
	if !strings.HasPrefix(body, "-") {
		if n := len(list); n > 0 {
			list[n-1].text += " " + body
		}
		return list
	}
	name, text, _ := strings.Cut(body, "   ") // three spaces end the flag
	return append(list, item{strings.TrimSpace(name), strings.TrimSpace(text)})
}

// roff formats the page for man(7).
func (p page) roff(version string) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"Burrow %s\" \"Burrow\"\n", strings.ToUpper(p.name), escape(version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n.SH SYNOPSIS\n", escape(p.name), escape(p.short))
	for i, u := range p.usage {
		if i > 0 {
			b.WriteString(".br\n")
		}
		b.WriteString(escape(u) + "\n")
	}
	b.WriteString(".SH DESCRIPTION\n")
	for line := range strings.Lines(p.description) {
		if line = strings.TrimSpace(line); line == "" {
			b.WriteString(".PP\n")
		} else {
			b.WriteString(escape(line) + "\n")
		}
	}
	p.list(&b, "COMMANDS", p.commands)
	p.list(&b, "OPTIONS", p.flags)
	p.list(&b, "GLOBAL OPTIONS", p.global)
	if p.example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", escape(p.example))
	}
	p.seeAlso(&b)
	return b.String()
}

func (p page) list(b *strings.Builder, title string, items []item) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	for _, it := range items {
		fmt.Fprintf(b, ".TP\n\\fB%s\\fR\n%s\n", escape(it.name), escape(it.text))
	}
}

func (p page) seeAlso(b *strings.Builder) {
	names := append([]string{}, p.above...)
	for _, c := range p.commands {
		if c.name != "help" && c.name != "completion" {
			names = append(names, p.name+"-"+c.name)
		}
	}
	if len(names) == 0 {
		return
	}
	for i, n := range names {
		names[i] = "\\fB" + escape(n) + "\\fR(1)"
	}
	fmt.Fprintf(b, ".SH SEE ALSO\n%s\n", strings.Join(names, ", "))
}

// escape makes text safe for roff: a backslash is a command, a hyphen is a
// typographic one unless escaped, a dot or quote at the start of a line is a
// request.
func escape(s string) string {
	s = strings.NewReplacer(`\`, `\e`, `-`, `\-`).Replace(s)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
