package flags

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/burrow-run/burrow/engine/spec"
)

// dir is the caller's working directory in these tests.
const dir = "/home/ann"

func caller() []string {
	return []string{"HOME=/home/ann", "FOO_A=1", "FOO_B=2", "http_proxy=http://p:1", "MULTI=a\nb"}
}

func lookup(name string) (string, bool) {
	for _, kv := range caller() {
		if k, v, _ := strings.Cut(kv, "="); k == name {
			return v, true
		}
	}
	return "", false
}

func translate(argv ...string) (spec.Spec, []string, error) {
	fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
	r := Add(fs)
	if err := fs.Parse(argv); err != nil {
		return spec.Spec{}, nil, err
	}
	return r.Spec(fs.Args(), lookup, caller(), dir)
}

func mustTranslate(t *testing.T, argv ...string) spec.Spec {
	t.Helper()
	s, _, err := translate(argv...)
	if err != nil {
		t.Fatalf("%q: %v", argv, err)
	}
	return s
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRootSource(t *testing.T) {
	for _, c := range []struct {
		argv []string
		want func(*spec.Spec)
	}{
		{[]string{"debian", "sh", "-c", "x"}, func(s *spec.Spec) { s.Image, s.Args = "debian", []string{"sh", "-c", "x"} }},
		{[]string{"--", "debian", "--rm"}, func(s *spec.Spec) { s.Image, s.Args = "debian", []string{"--rm"} }},
		{[]string{"host", "make"}, func(s *spec.Spec) { s.Host, s.Args = true, []string{"make"} }},
		{[]string{"--rootfs", "/r", "sh"}, func(s *spec.Spec) { s.Rootfs, s.Args = &spec.Rootfs{Dir: "/r"}, []string{"sh"} }},
		{[]string{"--rootfs", "./r:O", "sh"}, func(s *spec.Spec) {
			s.Rootfs, s.Args = &spec.Rootfs{Dir: "/home/ann/r", Overlay: true}, []string{"sh"}
		}},
		{[]string{"--rootfs=/r:O", "-t", "sh"}, func(s *spec.Spec) {
			s.Rootfs, s.Args, s.Stdio.TTY = &spec.Rootfs{Dir: "/r", Overlay: true}, []string{"sh"}, true
		}},
		{[]string{"--rootfs", "host"}, func(s *spec.Spec) { s.Rootfs = &spec.Rootfs{Dir: "/home/ann/host"} }},
		{[]string{"--entrypoint=", "debian"}, func(s *spec.Spec) { s.Image, s.Entrypoint = "debian", &[]string{} }},
		{[]string{"--entrypoint", `["a b","c"]`, "debian"}, func(s *spec.Spec) {
			s.Image, s.Entrypoint = "debian", &[]string{"a b", "c"}
		}},
	} {
		got := mustTranslate(t, c.argv...)
		want := spec.Default()
		want.Labels, want.Annotations = got.Labels, got.Annotations
		if c.want(&want); len(want.Args) == 0 {
			want.Args = got.Args
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\n got %+v\nwant %+v", c.argv, got, want)
		}
	}
}

func TestEnvPrecedence(t *testing.T) {
	file := write(t, "# c\nA=file\nB=file\n FOO_*\nUNSET_ONE\nHOME\n")
	s := mustTranslate(t, "--env-file", file, "-e", "A=flag", "-e", "MULTI", "-e", "ABSENT", "img")
	want := []string{"A=file", "B=file", "FOO_A=1", "FOO_B=2", "HOME=/home/ann", "A=flag", "MULTI=a\nb"}
	if got := s.Process.Env.Set; !reflect.DeepEqual(got, want) {
		t.Errorf("Set = %q, want %q", got, want)
	}
	got := s.Process.Env.Apply([]string{"PATH=/bin", "A=image"})
	want = []string{"PATH=/bin", "A=flag", "B=file", "FOO_A=1", "FOO_B=2", "HOME=/home/ann", "MULTI=a\nb"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("Apply = %q, want %q", got, want)
	}
}

// Nothing of the caller's environment is handed in unasked.
func TestEnvNothingByDefault(t *testing.T) {
	s := mustTranslate(t, "img")
	if got := s.Process.Env.Apply([]string{"PATH=/bin"}); !reflect.DeepEqual(got, []string{"PATH=/bin"}) {
		t.Errorf("environment = %q", got)
	}
}

func TestLabelsFileThenFlag(t *testing.T) {
	s := mustTranslate(t, "--label-file", write(t, "a=1\nb\n#x\n"), "-l", "a=2", "img")
	if want := map[string]string{"a": "2", "b": ""}; !reflect.DeepEqual(s.Labels, want) {
		t.Errorf("labels = %v, want %v", s.Labels, want)
	}
}

func TestAttach(t *testing.T) {
	for argv, want := range map[string]spec.Attach{
		"img":                       {Stdout: true, Stderr: true},
		"-i img":                    {Stdin: true, Stdout: true, Stderr: true},
		"-a STDERR img":             {Stderr: true},
		"-i -a stdin,stdout img":    {Stdin: true, Stdout: true},
		"-a stdin -a stdout img":    {Stdin: true, Stdout: true},
		"-it --sig-proxy=false img": {Stdin: true, Stdout: true, Stderr: true},
	} {
		if s := mustTranslate(t, strings.Fields(argv)...); s.Stdio.Attach != want {
			t.Errorf("%s: attach = %+v, want %+v", argv, s.Stdio.Attach, want)
		}
	}
}

func TestEmptyMeansUnset(t *testing.T) {
	got := mustTranslate(t, "--name=", "--user=", "--workdir=", "--hostname=", "--userns=", "--pull=", "--pid=", "img")
	if want := mustTranslate(t, "img"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestWarnings(t *testing.T) {
	_, w, err := translate("--network=host", "-p", "80:80", "img")
	if err != nil || len(w) != 1 {
		t.Errorf("warnings = %q, %v, want one", w, err)
	}
	if _, w, _ := translate("img"); len(w) != 0 {
		t.Errorf("warnings without flags: %q", w)
	}
}

func TestUsagesShowsEveryVisibleFlagOnce(t *testing.T) {
	fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
	Add(fs)
	text := Usages(fs)
	fs.VisitAll(func(f *pflag.Flag) {
		n := len(regexp.MustCompile(`(?m)^ +(-., )?--`+f.Name+`\b[^-]`).FindAllString(text, -1))
		if want := map[bool]int{true: 0, false: 1}[f.Hidden]; n != want {
			t.Errorf("--%s appears %d times in the help, want %d", f.Name, n, want)
		}
	})
	if !strings.Contains(text, "unique (default) ") {
		t.Error("help does not describe the modes of --userns")
	}
}
