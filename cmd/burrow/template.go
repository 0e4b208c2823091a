package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
	"text/template"
)

// rows prints lists of things as --format says: a Go template with the
// functions that Docker and Podman have, "table " before it for columns and heads.
type rows struct {
	t     *template.Template
	table bool
	text  string
}

// newRows reads a --format value; without {{ it is no template.
func newRows(format string, known ...string) (*rows, error) {
	r := &rows{}
	format = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(format)
	if rest, ok := strings.CutPrefix(format, "table "); ok {
		r.table, format = true, rest
	}
	if !strings.Contains(format, "{{") {
		return nil, fmt.Errorf("--format %q: neither %s nor a Go template", format, strings.Join(known, ", "))
	}
	t, err := template.New("format").Funcs(templateFuncs()).Parse(format)
	if err != nil {
		return nil, fmt.Errorf("--format: %w", err)
	}
	r.t, r.text = t, format
	return r, nil
}

func templateFuncs() template.FuncMap {
	return template.FuncMap{
		"json": func(v any) (string, error) {
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			err := e.Encode(v)
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

const maxPad = 1000

var field = regexp.MustCompile(`\.[A-Za-z]+`) //nolint:gochecknoglobals // constant

// heads are the headings of the fields that the template uses.
func (r *rows) heads(names map[string]string) map[string]string {
	out := map[string]string{}
	for _, f := range field.FindAllString(r.text, -1) {
		head, ok := names[f[1:]]
		if !ok {
			head = strings.ToUpper(f[1:])
		}
		out[f[1:]] = head
	}
	return out
}

// print writes a line for each value; heads may be nil.
func (r *rows) print(out io.Writer, count int, value func(i int) any, heads map[string]string) error {
	w := out
	var tab *tabwriter.Writer
	if r.table {
		tab = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		w = tab
	}
	if r.table && heads != nil {
		if err := r.line(w, heads); err != nil {
			return err
		}
	}
	for i := range count {
		if err := r.line(w, value(i)); err != nil {
			return err
		}
	}
	if tab != nil {
		return tab.Flush()
	}
	return nil
}

func (r *rows) line(w io.Writer, v any) error {
	var b bytes.Buffer
	if err := r.t.Execute(&b, v); err != nil {
		return fmt.Errorf("--format: %w", err)
	}
	if !bytes.HasSuffix(b.Bytes(), []byte("\n")) {
		b.WriteByte('\n')
	}
	_, err := w.Write(b.Bytes())
	return err
}
