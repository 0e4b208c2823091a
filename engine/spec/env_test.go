package spec

import (
	"reflect"
	"strings"
	"testing"
)

func environ() []string {
	return []string{"HOME=/home/ann", "LC_A=1", "LC_B=2", "EMPTY=", "=C:=x", "BASH_FUNC_f%%=() {\n}"}
}

func TestParseEnv(t *testing.T) {
	for in, want := range map[string][]string{
		"A=b":          {"A=b"},
		"A=":           {"A="},
		"A=b=c":        {"A=b=c"},
		"A= two words": {"A= two words"},
		"A=a\nb":       {"A=a\nb"},
		"A=\xff\xfe":   {"A=\xff\xfe"},
		"HOME":         {"HOME=/home/ann"},
		"EMPTY":        {"EMPTY="},
		"ABSENT":       nil,
		"LC_*":         {"LC_A=1", "LC_B=2"},
		"LC_*=x":       {"LC_*=x"},
		"NONE*":        nil,
		"*":            {"HOME=/home/ann", "LC_A=1", "LC_B=2", "EMPTY=", "BASH_FUNC_f%%=() {\n}"},
		"USER=ann":     {"USER=ann"},
	} {
		got, err := ParseEnv(in, environ())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseEnv(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	big := "A=" + strings.Repeat("x", 2<<20) // the kernel refuses it later: "argument list too long"
	if got, err := ParseEnv(big, nil); err != nil || got[0] != big {
		t.Errorf("2 MiB value: %v", err)
	}
}

func TestParseEnvRefuses(t *testing.T) {
	for in, why := range map[string]string{
		"":             "no name",
		"=x":           "no name",
		"A\x00":        "NUL",
		"A=\x00":       "NUL",
		"A\nB=x":       "newline",
		"A\nB":         "newline",
		"HOME=/x\nr::": "newline",
		"HOME=/x:y":    "':'",
		"USER=a:0":     "':'",
		"LOGNAME=a\r":  "carriage return",
		"SHELL=a\nb":   "newline",
	} {
		if _, err := ParseEnv(in, environ()); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("ParseEnv(%q) = %v, want %q", in, err, why)
		}
	}
	if _, err := ParseEnv("HOME", []string{"HOME=/x\ny"}); err == nil {
		t.Error("the caller's HOME is not checked")
	}
}

func TestParseEnvFile(t *testing.T) {
	in := "\ufeffA=1\r\n# comment\n\n  B=\"quoted\"\n\tLC_*\nC=# no comment\nHOME\nABSENT\nD= x "
	want := []string{"A=1", `B="quoted"`, "LC_A=1", "LC_B=2", "C=# no comment", "HOME=/home/ann", "D= x "}
	got, err := ParseEnvFile(strings.NewReader(in), environ())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, %v\nwant %q", got, err, want)
	}
	for in, why := range map[string]string{
		"A=1\n=x\n":                 "line 2",
		"A B=1\n":                   "white space",
		"A=1\n\n\nHOME=/x:y":        "line 4",
		"A=\x00\n":                  "NUL",
		strings.Repeat("x", 17<<20): "line 1: longer than",
	} {
		if _, err := ParseEnvFile(strings.NewReader(in), nil); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("ParseEnvFile(%.20q) = %v, want %q", in, err, why)
		}
	}
}

func TestEnvManyVariables(t *testing.T) {
	var e Env
	for range 100_000 {
		e.Set = append(e.Set, "A=1")
	}
	if got := e.Apply(nil); len(got) != 1 {
		t.Errorf("%d variables, want 1", len(got))
	}
}

func TestEnvApply(t *testing.T) {
	image := []string{"PATH=/bin", "A=image", "B=image", "C=image"}
	for name, c := range map[string]struct {
		env  Env
		want []string
	}{
		"nothing":   {Env{}, image},
		"set":       {Env{Set: []string{"A=1", "D=2", "A=3"}}, []string{"PATH=/bin", "A=3", "B=image", "C=image", "D=2"}},
		"unset":     {Env{Unset: []string{"A", "B"}}, []string{"PATH=/bin", "C=image"}},
		"unset all": {Env{UnsetAll: true, Set: []string{"A=1"}}, []string{"A=1"}},
		"unset does not reach what is set": {
			Env{Unset: []string{"A"}, Set: []string{"A=1"}}, []string{"PATH=/bin", "B=image", "C=image", "A=1"},
		},
		"host is weaker than set": {
			Env{Host: []string{"A=host", "H=host"}, Set: []string{"A=set"}, UnsetAll: true}, []string{"A=set", "H=host"},
		},
		"merge": {
			Env{Merge: []string{"A=${A}:$B:${NONE}", "PATH=/x:$PATH"}},
			[]string{"PATH=/x:/bin", "A=image:image:", "B=image", "C=image"},
		},
	} {
		if got := c.env.Apply(image); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestParseLabel(t *testing.T) {
	for in, want := range map[string][2]string{
		"a=b": {"a", "b"}, "a": {"a", ""}, "a=": {"a", ""}, "a=b=c": {"a", "b=c"},
		"org.x/y=https://h:1/": {"org.x/y", "https://h:1/"}, "a= b ": {"a", " b "},
	} {
		if k, v, err := ParseLabel(in); err != nil || [2]string{k, v} != want {
			t.Errorf("ParseLabel(%q) = %q, %q, %v", in, k, v, err)
		}
	}
	for _, in := range []string{"", "=b", " =b", "a=b\nc", "a\n", "a=\x00", "a\r=b"} {
		if _, _, err := ParseLabel(in); err == nil {
			t.Errorf("ParseLabel(%q) is accepted", in)
		}
	}
}

func TestParseAnnotation(t *testing.T) {
	if k, v, err := ParseAnnotation(`a={"x": 1}`); err != nil || k != "a" || v != `{"x": 1}` {
		t.Errorf("%q, %q, %v", k, v, err)
	}
	for _, in := range []string{"", "a", "=b", "a=b\nc", "org.systemd.property.ExecStartPre=['/x']"} {
		if _, _, err := ParseAnnotation(in); err == nil {
			t.Errorf("ParseAnnotation(%q) is accepted", in)
		}
	}
}
