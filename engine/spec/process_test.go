package spec

import (
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParseUser(t *testing.T) {
	for in, want := range map[string][2]string{
		"root": {"root", ""}, "0": {"0", ""}, "1000:1000": {"1000", "1000"}, "www-data:adm": {"www-data", "adm"},
		"4294967294": {"4294967294", ""}, "a.b_c@d": {"a.b_c@d", ""}, "01": {"01", ""},
	} {
		if u, g, err := ParseUser(in); err != nil || [2]string{u, g} != want {
			t.Errorf("ParseUser(%q) = %q, %q, %v", in, u, g, err)
		}
	}
	for _, in := range []string{
		"", ":", ":0", "a:", "a:b:c", "-1", "+1", "4294967295", "99999999999999999999", "a b", "a\nb", "a\x00", "a/b", "0:-1", "a\tb",
	} {
		if u, g, err := ParseUser(in); err == nil {
			t.Errorf("ParseUser(%q) = %q, %q", in, u, g)
		}
	}
}

func TestParseEntrypoint(t *testing.T) {
	for in, want := range map[string][]string{
		"":                  {},
		"sh":                {"sh"},
		"sh -c":             {"sh -c"},
		`["sh","-c","a b"]`: {"sh", "-c", "a b"},
		`[]`:                {},
		`[""]`:              {""},
		`[`:                 {"["},
		`["sh"`:             {`["sh"`},
		`[1]`:               {"[1]"},
		"null":              {"null"},
	} {
		if got, err := ParseEntrypoint(in); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseEntrypoint(%q) = %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"a\x00b", `["a\u0000"]`} {
		if _, err := ParseEntrypoint(in); err == nil {
			t.Errorf("ParseEntrypoint(%q) is accepted", in)
		}
	}
}

// F07.
func TestCheckWorkdir(t *testing.T) {
	for _, ok := range []string{"/", "/a/b", "/a/../b", "/proc", "/proc/sys", "/a\xff", "/procs/1", "/" + strings.Repeat("a", 4094)} {
		if err := CheckWorkdir(ok); err != nil {
			t.Errorf("CheckWorkdir(%.20q) = %v", ok, err)
		}
	}
	for _, in := range []string{
		"", "a", ".", "..", "../a", "/a\x00", "/a\nb", "/" + strings.Repeat("a", 4095),
		"/proc/self/fd/7", "/proc/self", "/proc/1/root", "//proc//thread-self/cwd", "/x/../proc/self/fd/7",
	} {
		if err := CheckWorkdir(in); err == nil {
			t.Errorf("CheckWorkdir(%.20q) is accepted", in)
		}
	}
}

func TestParseUmask(t *testing.T) {
	for in, want := range map[string]uint32{"0022": 0o22, "77": 0o77, "0": 0, "0777": 0o777} {
		if got, err := ParseUmask(in); err != nil || got != want {
			t.Errorf("ParseUmask(%q) = %o, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "8", "-1", "1000", "0o22", "u=rwx"} {
		if _, err := ParseUmask(in); err == nil {
			t.Errorf("ParseUmask(%q) is accepted", in)
		}
	}
}

func TestCheckTimezone(t *testing.T) {
	for _, ok := range []string{"local", "UTC", "Europe/Berlin", "Etc/GMT+5", "America/Argentina/Buenos_Aires"} {
		if err := CheckTimezone(ok); err != nil {
			t.Errorf("CheckTimezone(%q) = %v", ok, err)
		}
	}
	for _, in := range []string{"", "/etc/passwd", "../../etc/passwd", "a/../../b", "a b", "a\n", "a.b"} {
		if CheckTimezone(in) == nil {
			t.Errorf("CheckTimezone(%q) is accepted", in)
		}
	}
}

func TestParseSignal(t *testing.T) {
	for in, want := range map[string]syscall.Signal{
		"TERM": 15, "SIGTERM": 15, "sigusr1": 10, "9": 9, "SIGRTMIN": 34, "RTMIN+3": 37, "SIGRTMAX-14": 50, "64": 64, "rtmax": 64,
	} {
		if got, err := ParseSignal(in); err != nil || got != want {
			t.Errorf("ParseSignal(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", "0", "65", "-9", "SIG", "FOO", "RTMIN+31", "RTMIN-1", "RTMAX+1", "SIGSIGTERM", "9\n"} {
		if got, err := ParseSignal(in); err == nil {
			t.Errorf("ParseSignal(%q) = %d", in, got)
		}
	}
}

func TestParseDetachKeys(t *testing.T) {
	for in, want := range map[string][]byte{
		"": nil, "ctrl-p,ctrl-q": {16, 17}, "a": {'a'}, "ctrl-@": {0}, "ctrl-[,x": {27, 'x'}, "ctrl-_": {31},
	} {
		if got, err := ParseDetachKeys(in); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseDetachKeys(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{",", "ab", "ctrl-", "ctrl-1", "ctrl-A", "a,", "\x01", "ctrl-pp", "\xc3\xa9"} {
		if _, err := ParseDetachKeys(in); err == nil {
			t.Errorf("ParseDetachKeys(%q) is accepted", in)
		}
	}
	if got, _ := ParseDetachKeys("ctrl-p,ctrl-q"); !reflect.DeepEqual(got, Default().Stdio.DetachKeys) {
		t.Errorf("default keys are %v, want %v", Default().Stdio.DetachKeys, got)
	}
}

func TestParseNamespace(t *testing.T) {
	for in, want := range map[string]Namespace{
		"": {}, "private": {}, "host": {Mode: NamespaceHost},
		"container:web": {NamespaceContainer, "web"}, "ns:/proc/1/ns/pid": {NamespacePath, "/proc/1/ns/pid"},
	} {
		if got, err := ParseNamespace(in); err != nil || got != want {
			t.Errorf("ParseNamespace(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{
		"shareable", "none", "host:x", "container:", "container:a/b", "ns:", "ns:rel", "ns:/a\nb", "private:", "Host", "pod",
	} {
		if got, err := ParseNamespace(in); err == nil {
			t.Errorf("ParseNamespace(%q) = %v", in, got)
		}
	}
	for in, want := range map[string]NamespaceMode{"shareable": NamespaceShareable, "none": NamespaceNone} {
		if got, err := ParseIPC(in); err != nil || got.Mode != want {
			t.Errorf("ParseIPC(%q) = %v, %v", in, got, err)
		}
	}
}

func TestNames(t *testing.T) {
	for _, ok := range []string{"a", "0", "A.b_c-d", strings.Repeat("a", 200)} {
		if err := CheckName(ok); err != nil {
			t.Errorf("CheckName(%q) = %v", ok, err)
		}
	}
	for _, in := range []string{"", ".", "..", ".a", "-a", "_a", "a/b", "a b", "a\n", "é", strings.Repeat("a", 201)} {
		if CheckName(in) == nil {
			t.Errorf("CheckName(%q) is accepted", in)
		}
	}
	for _, ok := range []string{"a", "a.b-c", "A_1", "0", strings.Repeat("a", 64)} {
		if err := CheckHostname(ok); err != nil {
			t.Errorf("CheckHostname(%q) = %v", ok, err)
		}
	}
	for _, in := range []string{"", "-a", ".a", "a b", "a:b", "a\nb", "a;b", "a\x00", "é", strings.Repeat("a", 65)} {
		if CheckHostname(in) == nil {
			t.Errorf("CheckHostname(%q) is accepted", in)
		}
	}
}

func TestParseHealth(t *testing.T) {
	for in, want := range map[string][]string{
		"none": {"NONE"}, "curl x": {"CMD-SHELL", "curl x"}, `["a","b c"]`: {"CMD", "a", "b c"}, `[ -f /x ]`: {"CMD-SHELL", "[ -f /x ]"},
	} {
		if got, err := ParseHealthCmd(in); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseHealthCmd(%q) = %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "a\x00"} {
		if _, err := ParseHealthCmd(in); err == nil {
			t.Errorf("ParseHealthCmd(%q) is accepted", in)
		}
	}
	for in, want := range map[string]time.Duration{"30s": 30 * time.Second, "0": 0, "1m30s": 90 * time.Second} {
		if got, err := ParseHealthDuration(in); err != nil || got != want {
			t.Errorf("ParseHealthDuration(%q) = %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "5", "-1s", "1ns", "x"} {
		if _, err := ParseHealthDuration(in); err == nil {
			t.Errorf("ParseHealthDuration(%q) is accepted", in)
		}
	}
}
