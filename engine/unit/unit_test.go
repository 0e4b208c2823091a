package unit_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/burrow-run/burrow/engine"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/engine/unit"
)

var update = flag.Bool("update", false, "write testdata/*.service")

// web is a container whose command line has everything that systemd would read
// in its own way.
func web() engine.Record {
	rec := engine.Record{ID: strings.Repeat("0123abcd", 8), Name: "web", Spec: spec.Default()}
	rec.Metadata.StopSignal = "SIGQUIT"
	return rec
}

func create(flags ...unit.Flag) unit.Create {
	return unit.Create{
		Flags: append([]unit.Flag{{Name: "name", Value: "web", Args: []string{"--name", "web"}}}, flags...),
		Rest:  []string{"img", "sh", "-c", `echo "$HOME" 'a' 50% \`, "", ";", "#x", "%i", "$$", "${A}", "a=b", "tab\there\nline\x1b", "ü\xff", "-"},
		Dir:   "/home/a b/50%",
	}
}

func options(change func(*unit.Options)) unit.Options {
	o := unit.Options{
		Executable: "/usr/bin/burrow", Version: "1.2", Data: "/home/a b/.local/share/burrow", Prefix: "container", Separator: "-",
		Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Names: true, Create: create(),
	}
	if change != nil {
		change(&o)
	}
	return o
}

var golden = map[string]func(*unit.Options){
	"container-web.service": nil,
	"container-web-new.service": func(o *unit.Options) {
		o.New = true
		o.Create = create(
			unit.Flag{Name: "env-file", Value: "./env", Args: []string{"--env-file", "./env"}},
			unit.Flag{Name: "restart", Value: "on-failure:4", Args: []string{"--restart=on-failure:4"}},
			unit.Flag{Name: "detach", Value: "true", Args: []string{"-d"}},
			unit.Flag{Name: "sdnotify", Value: "container", Args: []string{"--sdnotify=container"}},
			unit.Flag{Name: "env", Value: "A=b c$d", Args: []string{"-e", "A=b c$d"}},
		)
	},
	"container-web@.service": func(o *unit.Options) {
		o.Template, o.NoHeader, o.StopTimeout, o.StartTimeout, o.RestartSec = true, true, "33", "12", "3"
		o.Restart, o.After, o.Requires, o.Wants = "always", []string{"a.service", "b@%i.service"}, []string{"b.service"}, []string{"c.target"}
		o.Env = []string{"FOO=ba r%$x", "EMPTY="}
	},
	"pre_0123abcd0123abcd0123abcd0123abcd0123abcd0123abcd0123abcd0123abcd.service": func(o *unit.Options) {
		o.Names, o.Prefix, o.Separator, o.Executable = false, "pre", "_", "/opt/my tools/burrow"
		o.Create = unit.Create{Flags: []unit.Flag{{Name: "sdnotify", Value: "container"}}}
	},
}

func TestGenerate(t *testing.T) {
	for name, change := range golden {
		u, err := unit.Generate(web(), options(change))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.HasPrefix(name, strings.TrimSuffix(u.Name, ".service")) {
			t.Errorf("%s is called %s", name, u.Name)
		}
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(u.Text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || string(want) != u.Text {
			t.Errorf("%s: %v, got\n%s", name, err, u.Text)
		}
	}
}

func TestRestart(t *testing.T) {
	for made, want := range map[string][2]string{ // with the container that is there, with --new
		"":               {"on-failure", "on-failure"},
		"no":             {"on-failure", "no"},
		"always":         {"on-failure", "always"},
		"unless-stopped": {"on-failure", "always"},
		"on-failure:3":   {"on-failure", "on-failure"},
	} {
		for i, isNew := range []bool{false, true} {
			u, err := unit.Generate(web(), options(func(o *unit.Options) {
				o.New, o.Create = isNew, create(unit.Flag{Name: "restart", Value: made})
			}))
			if err != nil || !strings.Contains(u.Text, "\nRestart="+want[i]+"\n") || strings.Contains(u.Text, "--restart") {
				t.Errorf("--restart=%s, new %v: %v\n%s", made, isNew, err, u.Text)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for what, change := range map[string]func(*unit.Options){
		"--restart-policy":        func(o *unit.Options) { o.Restart = "unless-stopped" },
		"--container-prefix":      func(o *unit.Options) { o.Prefix = "a/b" },
		"--separator":             func(o *unit.Options) { o.Separator = " " },
		"--stop-timeout":          func(o *unit.Options) { o.StopTimeout = "-1" },
		"--start-timeout":         func(o *unit.Options) { o.StartTimeout = "1min" },
		"--restart-sec":           func(o *unit.Options) { o.RestartSec = "1\nExecStart=/bin/sh" },
		"--after":                 func(o *unit.Options) { o.After = []string{"x.service\nExecStart=/bin/sh"} },
		"--wants":                 func(o *unit.Options) { o.Wants = []string{""} },
		"--requires":              func(o *unit.Options) { o.Requires = []string{"a b"} },
		"too long":                func(o *unit.Options) { o.Prefix = strings.Repeat("x", 250) },
		unit.ErrNoCommand.Error(): func(o *unit.Options) { o.New, o.Create = true, unit.Create{} },
	} {
		if u, err := unit.Generate(web(), options(change)); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v\n%s", what, err, u.Text)
		}
	}
	_, err := unit.Generate(web(), options(func(o *unit.Options) { o.New, o.Create = true, unit.Create{} }))
	if !errors.Is(err, unit.ErrNoCommand) {
		t.Error(err)
	}
}

// Whatever is typed stays one argument on one line.
func FuzzGenerate(f *testing.F) {
	f.Add("a b", "x")
	f.Add("\n[Service]\nExecStart=/bin/sh", "%n $A \\\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		u, err := unit.Generate(web(), options(func(o *unit.Options) {
			o.New, o.Create.Rest = true, []string{"img", a, b}
			o.Env = []string{"A=" + a}
		}))
		if err != nil {
			t.Fatal(err)
		}
		want, _ := unit.Generate(web(), options(func(o *unit.Options) {
			o.New, o.Create.Rest = true, []string{"img", "a", "b"}
			o.Env = []string{"A=a"}
		}))
		if strings.Count(u.Text, "\n") != strings.Count(want.Text, "\n") {
			t.Errorf("%q %q:\n%s", a, b, u.Text)
		}
	})
}
