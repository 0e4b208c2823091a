// Package format prints lists of things as --format says: a Go template with
// the functions that Docker and Podman have, and "table " before it for columns
// and heads.
package format

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
	"text/template"
)

// Format is a --format value that has been read.
type Format struct {
	t     *template.Template
	table bool
	clean bool // see Terminal
	text  string
}

// New reads a --format value. `\t` and `\n` stand for a tab and a line break, and so
// does a blank between two fields of a table for a tab, as in Podman.
// Where there are words that may stand instead of a template, what is no template is none
// of them.
func New(text string, words ...string) (*Format, error) {
	f := &Format{text: strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(text)}
	if rest, ok := strings.CutPrefix(f.text, "table "); ok {
		f.table, f.text = true, strings.ReplaceAll(rest, "}} {{", "}}\t{{")
	}
	if len(words) > 0 && !strings.Contains(text, "{{") {
		return nil, fmt.Errorf("--format %q: neither %s nor a Go template", text, strings.Join(words, ", "))
	}
	t, err := template.New("format").Funcs(funcs()).Parse(f.text)
	if err != nil {
		return nil, fmt.Errorf("--format: %w", err)
	}
	f.t = t
	return f, nil
}

// Strict makes a key that a map lacks an error. It returns f.
func (f *Format) Strict() *Format {
	f.t.Option("missingkey=error")
	return f
}

// maxPad bounds what a template can make of one value.
const maxPad = 1000

func funcs() template.FuncMap {
	return template.FuncMap{
		"json": func(v any) (string, error) {
			var b bytes.Buffer
			err := JSON(&b, v, "")
			return strings.TrimSuffix(b.String(), "\n"), err
		},
		"join": strings.Join, "split": strings.Split, "lower": strings.ToLower, "upper": strings.ToUpper,
		"title": func(s string) string { return strings.ToUpper(s[:min(1, len(s))]) + s[min(1, len(s)):] },
		"pad": func(s string, before, after int) (string, error) {
			if before < 0 || after < 0 || before > maxPad || after > maxPad {
				return "", errors.New("pad: too wide")
			}
			return strings.Repeat(" ", before) + s + strings.Repeat(" ", after), nil
		},
		"truncate": func(s string, n int) string { return s[:max(0, min(len(s), n))] },
	}
}

var field = regexp.MustCompile(`\.[A-Za-z]+`) //nolint:gochecknoglobals // constant

// Heads are the headings of the fields that the template uses: those of names,
// else the field's name in capitals.
func (f *Format) Heads(names map[string]string) map[string]string {
	out := map[string]string{}
	for _, used := range field.FindAllString(f.text, -1) {
		head, ok := names[used[1:]]
		if !ok {
			head = strings.ToUpper(used[1:])
		}
		out[used[1:]] = head
	}
	return out
}

// Print writes a line for each value; a table has heads above it unless they
// are nil, and columns of width characters at least.
//
// Where out is a terminal, what strangers have written cannot move its cursor.
func Print[T any](f *Format, out io.Writer, values []T, heads map[string]string, width int) error {
	if !f.clean {
		f.Terminal(out)
	}
	buffered := bufio.NewWriter(out)
	return errors.Join(printTo(f, buffered, values, heads, width), buffered.Flush())
}

func printTo[T any](f *Format, out io.Writer, values []T, heads map[string]string, width int) error {
	if !f.table {
		return lines(f, out, values)
	}
	w := tabwriter.NewWriter(out, width, 2, 2, ' ', 0)
	if heads != nil {
		if err := f.line(w, heads); err != nil {
			return err
		}
	}
	if err := lines(f, w, values); err != nil {
		return err
	}
	return w.Flush()
}

func lines[T any](f *Format, w io.Writer, values []T) error {
	for _, v := range values {
		if err := f.line(w, v); err != nil {
			return err
		}
	}
	return nil
}

func (f *Format) line(w io.Writer, v any) error {
	var b bytes.Buffer
	if err := f.t.Execute(&b, v); err != nil {
		return fmt.Errorf("--format: %w", err)
	}
	if !bytes.HasSuffix(b.Bytes(), []byte("\n")) {
		b.WriteByte('\n')
	}
	text := b.Bytes()
	if f.clean {
		text = cleaned(text)
	}
	_, err := w.Write(text)
	return err
}
