package format_test

import (
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/format"
)

type row struct {
	ID   string
	Tags []string
}

func TestPrint(t *testing.T) {
	rows := []row{{"a", []string{"x", "y"}}, {"bbbbbb", nil}}
	heads := map[string]string{"ID": "IDENT"}
	for text, want := range map[string]string{
		"{{.ID}}":                      "a\nbbbbbb\n",
		`{{.ID}}\n`:                    "a\nbbbbbb\n",
		`{{json .Tags}}`:               "[\"x\",\"y\"]\nnull\n",
		`{{join .Tags "<" | upper}}`:   "X<Y\n\n",
		`{{title .ID}}{{pad "" 1 2}}.`: "A   .\nBbbbbb   .\n",
		`{{truncate .ID 1}}`:           "a\nb\n",
		`{{truncate .ID -1}}`:          "\n\n",
		`table {{.ID}}\t{{len .ID}}`:   "a       1\nbbbbbb  6\n",
		`table {{.ID}} {{len .ID}}`:    "a       1\nbbbbbb  6\n",
		`table {{.ID}} x {{.ID}}`:      "a x a\nbbbbbb x bbbbbb\n",
	} {
		if got := shown(t, text, rows, nil); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if got := shown(t, `table {{.ID}}\t{{.Names}}`, []map[string]string{{"ID": "bbbbbb", "Names": "n"}}, heads); got != "IDENT   NAMES\nbbbbbb  n\n" {
		t.Errorf("%q", got)
	}
}

func shown[T any](t *testing.T, text string, values []T, names map[string]string) string {
	t.Helper()
	f, err := format.New(text)
	if err != nil {
		t.Fatal(text, err)
	}
	var heads map[string]string
	if names != nil {
		heads = f.Heads(names)
	}
	var out strings.Builder
	if err := format.Print(f, &out, values, heads, 0); err != nil {
		t.Fatal(text, err)
	}
	return out.String()
}

func TestRefused(t *testing.T) {
	for text, want := range map[string]string{
		"nosuch":             `--format "nosuch": neither json, table nor a Go template`,
		"{{.ID":              "--format: template: ",
		"{{nosuch .ID}}":     `function "nosuch" not defined`,
		"{{.Nope}}":          "can't evaluate field Nope",
		`{{pad .ID 0 5000}}`: "pad: too wide",
	} {
		f, err := format.New(text, "json", "table")
		if err == nil {
			err = format.Print(f, &strings.Builder{}, []row{{ID: "a"}}, nil, 0)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
	missing := []map[string]any{{"ID": "a"}}
	f, err := format.New("{{.Nope}}")
	if err != nil {
		t.Fatal(err)
	}
	if err := format.Print(f, &strings.Builder{}, missing, nil, 0); err != nil {
		t.Error(err)
	}
	if err := format.Print(f.Strict(), &strings.Builder{}, missing, nil, 0); err == nil {
		t.Error("a key that is missing is an error when strict")
	}
}
