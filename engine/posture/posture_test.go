package posture

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/idmap"
)

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		got, want string
		is        bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a, b", "b, a", true},
		{"a, b", "a", false}, // too much
		{"a", "a, b", false}, // too little
		{"a", "a, [?]b", true},
		{"a, b", "a, [?]b", true},
		{"", "[?]b, [?]", true},
		{"devtmpfs /null rw private", "* /null *private", true},
		{"devtmpfs /nullify rw private", "* /null *private", false},
		{"proc /sys rw private", "* ro* private", false},
		{"anything", "*", true},
		{"0 /dev/null, 1 pipe, 2 pipe, /etc", "0 *, 1 *, 2 *", false}, // a leaked descriptor
	} {
		if Matches(c.got, c.want) != c.is {
			t.Errorf("Matches(%q, %q) = %v", c.got, c.want, !c.is)
		}
	}
}

func TestCompare(t *testing.T) {
	w := Wish{
		Facts:  Facts{"CapEff": "00000000800405fb", "ns net": "container of anchor", "mount /x": "* ro*", "mount /o": "[?]tmpfs", "Umask": "0022"},
		Note:   []string{"exe"},
		Below:  []string{"/x"},
		Unseen: []Fact{{Name: "Landlock", Verdict: Unseen, Found: "enforced"}},
	}
	good := Facts{"CapEff": "00000000800405fb", "ns net": "container of anchor", "mount /x": "ext4 ro private", "Umask": "0022", "exe": "/bin/true", "mount /x/y": "ext4 rw private"}
	if r := Compare(good, w, 1, true); r.Differ != 0 || len(r.Facts) != len(good) {
		t.Errorf("%+v", r)
	}
	for name, c := range map[string]struct {
		change        Facts
		start, during Verdict
	}{
		"CapEff":     {Facts{"CapEff": "000001ffffffffff"}, Differs, Differs},
		"Umask":      {Facts{"Umask": "0077"}, Differs, Changed},
		"ns net":     {Facts{"ns net": "host of host"}, Differs, Differs},
		"mount /x":   {Facts{"mount /x": "ext4 rw private"}, Differs, Differs},
		"mount /xyz": {Facts{"mount /xyz": "ext4 rw private"}, Differs, Differs},
		"mount /o":   {Facts{"mount /o": "ext4"}, Differs, Differs},
		"new fact":   {Facts{"new fact": "1"}, Differs, Differs},
	} {
		found := Facts{}
		maps.Copy(found, good)
		maps.Copy(found, c.change)
		for start, want := range map[bool]Verdict{true: c.start, false: c.during} {
			if got := verdict(Compare(found, w, 1, start), name); got != want {
				t.Errorf("%s, at start %v: %s, want %s", name, start, got, want)
			}
		}
	}
	delete(good, "ns net")
	if r := Compare(good, w, 1, true); r.Differ != 1 || verdict(r, "ns net") != Differs {
		t.Errorf("what is not there passes: %+v", r)
	}
}

func verdict(r Report, name string) Verdict {
	for _, f := range r.Facts {
		if f.Name == name {
			return f.Verdict
		}
	}
	return ""
}

// What a container has named must not reach the terminal as it is.
func TestPrintIsPlain(t *testing.T) {
	var out bytes.Buffer
	r := Compare(Facts{"mount /\x1b[2J": "tmpfs \x07"}, Wish{}, 7, false)
	if err := r.Print(&out); err != nil || strings.ContainsAny(out.String(), "\x1b\x07") || !strings.Contains(out.String(), "DIFFERS") {
		t.Errorf("%q, %v", out.String(), err)
	}
}

func TestMapText(t *testing.T) {
	m := idmap.Map{{Container: 0, Host: 0, Count: 1}, {Container: 1, Host: 1, Count: 9}, {Container: 20, Host: 10, Count: 1}}
	if got := MapText(m); got != "0:0:10 20:10:1" {
		t.Error(got)
	}
}

// A process like this one has nothing of its own but what it was started with.
func TestLookAtAChild(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "sleep", "100")
	cmd.Env = []string{"B=2", "A=1"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	o := Observer{IDs: func(id int, _ bool) (int, bool) { return 0, id == os.Getuid() || id == os.Getgid() }}
	f, err := o.Look(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"environment": "A B", "ns net": "host of host", "ns user": "host", "threads": "alike", "owners": "",
		"cgroup": Same, "label": Same, "uid": "user", "descriptors": "0 /dev/null, 1 /dev/null, 2 /dev/null",
	} {
		if !Matches(f[name], want) && !strings.HasPrefix(f[name], want) {
			t.Errorf("%s: %q, want %q", name, f[name], want)
		}
	}
	if _, err := o.Look(-1); err == nil {
		t.Error("nobody is looked at")
	}
	if l := Limits(os.Getpid()); l["open files"] == "" || l["core file size"] == "" || len(l) != 16 {
		t.Errorf("%v", l)
	}
}

// A process may become less than it was, and never more.
func TestMayBecome(t *testing.T) {
	w := Wish{Facts: Facts{
		"CapEff": "00000000800405fb", "CapBnd": "00000000800405fb", "CapAmb": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2", "Seccomp_filters": "2",
		"limit open files": "100:200", "ns net": "x", "label": "y", "uid": "user", "limit core file size": "0:0",
	}}
	for fact, may := range map[[2]string]bool{
		{"CapEff", "0000000000000000"}: true, {"CapEff", "00000000800405ff"}: false,
		{"CapAmb", "0000000000000001"}: true, {"CapAmb", "0000000000200000"}: false,
		{"NoNewPrivs", "0"}: false, {"Seccomp", "0"}: false,
		{"Seccomp_filters", "3"}: true, {"Seccomp_filters", "1"}: false,
		{"limit open files", "200:200"}: true, {"limit open files", "10:100"}: true, {"limit open files", "100:300"}: false,
		{"limit core file size", "0:unlimited"}: false, {"limit data size", "1:1"}: true,
		{"ns net", "z"}: false, {"label", "z"}: false, {"uid", "slice 5"}: true, {"mount /x", "tmpfs"}: false,
	} {
		if w.mayBecome(fact[0], fact[1]) != may {
			t.Errorf("%s %s: %v", fact[0], fact[1], !may)
		}
	}
}
