package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
	"text/template"
)

// formatter prints values through a template, with Docker's functions.
type formatter struct {
	t     *template.Template
	table bool
}

// newFormatter reads a --format value. With the prefix "table " columns are
// aligned, and headed unless the caller wants no heading.
func newFormatter(format string) (*formatter, error) {
	f := &formatter{}
	format = strings.NewReplacer(`\t`, "\t", `\n`, "\n").Replace(format)
	if rest, ok := strings.CutPrefix(format, "table "); ok {
		f.table, format = true, rest
	}
	t, err := template.New("format").Funcs(templateFuncs()).Parse(format)
	if err != nil {
		return nil, fmt.Errorf("invalid --format: %w", err)
	}
	f.t = t
	return f, nil
}

func templateFuncs() template.FuncMap {
	return template.FuncMap{
		"json": func(v any) (string, error) {
			var b bytes.Buffer
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			err := enc.Encode(v)
			return strings.TrimSuffix(b.String(), "\n"), err
		},
		"join":  strings.Join,
		"lower": strings.ToLower,
		"upper": strings.ToUpper,
		"split": strings.Split,
		"pad": func(s string, before, after int) string {
			return strings.Repeat(" ", before) + s + strings.Repeat(" ", after)
		},
		"truncate": func(s string, n int) string {
			if len(s) < n {
				return s
			}
			return s[:n]
		},
	}
}

// render writes one line per value. heads, if set, is the value whose fields
// are the column heads.
func render[T any](f *formatter, out io.Writer, values []T, heads any) error {
	w := out
	var tab *tabwriter.Writer
	if f.table {
		tab = tabwriter.NewWriter(out, 12, 2, 2, ' ', 0)
		w = tab
	}
	if heads != nil && f.table {
		if err := f.line(w, heads); err != nil {
			return err
		}
	}
	for _, v := range values {
		if err := f.line(w, v); err != nil {
			return err
		}
	}
	if tab != nil {
		return tab.Flush()
	}
	return nil
}

func (f *formatter) line(w io.Writer, v any) error {
	var b bytes.Buffer
	if err := f.t.Execute(&b, v); err != nil {
		return fmt.Errorf("--format: %w", err)
	}
	if !bytes.HasSuffix(b.Bytes(), []byte("\n")) {
		b.WriteByte('\n')
	}
	_, err := w.Write(b.Bytes())
	return err
}

var templateField = regexp.MustCompile(`\.[A-Za-z]+`)

// heads maps the fields a template uses to headings, for a value of the kind
// that a map can stand for.
func heads(format string, names map[string]string) map[string]string {
	out := map[string]string{}
	for _, f := range templateField.FindAllString(format, -1) {
		f = f[1:]
		head, ok := names[f]
		if !ok {
			head = strings.ToUpper(f)
		}
		out[f] = head
	}
	return out
}

// printJSON writes v as Podman does: indented.
func printJSON(out io.Writer, v any, indent string) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	return enc.Encode(v)
}
