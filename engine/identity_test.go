package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
)

const (
	passwdText = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/var/www:/bin/false\nweb2:x:33:40::/w2:\nshort:x:7\nbad:x:x:1::/:\n"
	groupText  = "root:x:0:\nwww:x:33:\nadm:x:4:web,x\nmany:x:50:web\ndup:x:4:web\n"
)

// rootWith is a root filesystem with these files; a value that begins with
// "-> " is a link.
func rootWith(t testing.TB, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if to, link := strings.CutPrefix(text, "-> "); link {
			must(t, os.Symlink(to, path))
			continue
		}
		must(t, os.WriteFile(path, []byte(text), 0o644))
	}
	return root
}

func TestLookupIdentity(t *testing.T) {
	root := rootWith(t, map[string]string{"etc/passwd": passwdText, "etc/group": groupText})
	for _, c := range []struct {
		user  string
		extra []string
		want  identity
	}{
		{"", nil, identity{0, 0, []uint32{0}, "/root", "root", "root"}},
		{"web", nil, identity{33, 33, []uint32{4, 33, 50}, "/var/www", "web", "www"}},
		{"33", nil, identity{33, 33, []uint32{4, 33, 50}, "/var/www", "web", "www"}},
		{"web:adm", nil, identity{33, 4, []uint32{4}, "/var/www", "web", "adm"}},
		{"web:77", []string{"www", "88", "77"}, identity{33, 77, []uint32{33, 77, 88}, "/var/www", "web", ""}},
		{"1234", nil, identity{1234, 0, []uint32{0}, "/", "", "root"}},
		{"1234:5678", nil, identity{1234, 5678, []uint32{5678}, "/", "", ""}},
	} {
		got, err := lookupIdentity(root, c.user, c.extra)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q %v: %+v, %v; want %+v", c.user, c.extra, got, err, c.want)
		}
	}
	for user, want := range map[string]string{"nosuch": "/etc/passwd", "web:nosuch": "/etc/group", "4294967295": ""} {
		_, err := lookupIdentity(root, user, nil)
		if err == nil || hint.Of(err) == "" || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, hint %q", user, err, hint.Of(err))
		}
	}
	if _, err := lookupIdentity(root, "web", []string{"nosuch"}); err == nil {
		t.Error("an unknown group passed")
	}
}

// The account files are the image's: they must not make us read anything else,
// wait, or need much memory (CVE-2026-47262).
func TestHostileAccountFiles(t *testing.T) {
	secret := rootWith(t, map[string]string{"passwd": "root:x:0:0::/SECRET:\n"})
	for name, c := range map[string]struct {
		files map[string]string
		make  func(root string) error
		home  string // of UID 0; "": refused
	}{
		"none":              {nil, nil, "/"},
		"etc is a file":     {map[string]string{"etc": "x"}, nil, "/"},
		"link inside":       {map[string]string{"etc/passwd": "-> /usr/p", "usr/p": passwdText}, nil, "/root"},
		"link out":          {map[string]string{"etc/passwd": "-> " + secret + "/passwd"}, nil, "/"},
		"climbing link":     {map[string]string{"etc/passwd": "-> ../../../../../../.." + secret + "/passwd"}, nil, "/"},
		"directory link":    {map[string]string{"etc": "-> " + secret}, nil, "/"},
		"magic link":        {map[string]string{"etc/passwd": "-> /proc/self/environ"}, nil, "/"},
		"loop":              {map[string]string{"etc/passwd": "-> passwd"}, nil, ""},
		"directory":         {map[string]string{"etc/passwd/x": ""}, nil, ""},
		"FIFO":              {map[string]string{"etc/x": ""}, func(r string) error { return unix.Mkfifo(r+"/etc/passwd", 0o644) }, ""},
		"socket":            {map[string]string{"etc/x": ""}, func(r string) error { return unix.Mknod(r+"/etc/passwd", unix.S_IFSOCK|0o644, 0) }, ""},
		"5 GiB":             {map[string]string{"etc/passwd": ""}, func(r string) error { return os.Truncate(r+"/etc/passwd", 5<<30) }, ""},
		"an ID of 33 bits":  {map[string]string{"etc/passwd": "root:x:0:4294967296::/root:/bin/sh\n"}, nil, ""},
		"-1 as an ID":       {map[string]string{"etc/passwd": "root:x:0:-1::/root:/bin/sh\n"}, nil, ""},
		"a line of 1 MiB":   {map[string]string{"etc/passwd": strings.Repeat("x", maxAccountFile)}, nil, ""},
		"NULs":              {map[string]string{"etc/passwd": strings.Repeat("\x00", 1000) + "\n" + passwdText}, nil, "/"}, // such a line is of UID 0
		"group of 5 GiB":    {map[string]string{"etc/group": ""}, func(r string) error { return os.Truncate(r+"/etc/group", 5<<30) }, ""},
		"too many groups":   {map[string]string{"etc/passwd": "r:x:0:0::/:\n", "etc/group": groups(maxGroups + 1)}, nil, ""},
		"as many as can be": {map[string]string{"etc/passwd": "r:x:0:0::/:\n", "etc/group": groups(maxGroups - 1)}, nil, "/"},
	} {
		t.Run(name, func(t *testing.T) {
			root := rootWith(t, c.files)
			if c.make != nil {
				must(t, c.make(root))
			}
			begin := time.Now()
			got, err := lookupIdentity(root, "0", nil)
			if took := time.Since(begin); took > 2*time.Second {
				t.Errorf("took %s", took)
			}
			if c.home == "" {
				if err == nil || !errors.Is(err, errAccountFile) && hint.Of(err) == "" {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || got.home != c.home {
				t.Errorf("home %q, %v", got.home, err)
			}
		})
	}
}

// groups are n groups that r is in.
func groups(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "g:x:%d:r\n", i+1)
	}
	return b.String()
}

// accountRun is a run in the state in which users are looked up.
func accountRun(t *testing.T, files map[string]string) *run {
	t.Helper()
	s := spec.Default()
	s.Image = "test"
	dir := t.TempDir()
	r := &run{spec: s, scaffold: scaffold{dir: dir}}
	must(t, os.Rename(rootWith(t, files), r.scaffold.root()))
	r.uids = idmap.Map{{Container: 0, Host: 0, Count: 1}, {Container: 1, Host: 1000, Count: 70000}}
	r.gids = r.uids
	r.image.plan = &plan.Plan{}
	return r
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

func TestAccountsAreAdded(t *testing.T) {
	files := map[string]string{"etc/passwd": passwdText, "etc/group": strings.TrimSuffix(groupText, "\n")}
	for name, c := range map[string]struct {
		change        func(r *run)
		passwd, group string // the line added
		home          string
	}{
		"known":        {func(r *run) { r.spec.Process.User = "web" }, "", "", "/var/www"},
		"root":         {func(*run) {}, "", "", "/root"},
		"unknown":      {func(r *run) { r.spec.Process.User = "1234" }, "1234:*:1234:0:container user:/:/bin/sh\n", "", "/"},
		"home is work": {func(r *run) { r.spec.Process.User, r.spec.Process.Workdir = "1234:5", "/w" }, "1234:*:1234:5:container user:/w:/bin/sh\n", "\n5:x:5:\n", "/w"},
		"hostile work": {func(r *run) { r.spec.Process.User, r.image.cfg.WorkingDir = "1234", "/x:/bin/sh\nevil::0:0::/" }, "1234:*:1234:0:container user:/:/bin/sh\n", "", "/"},
		"switched off": {func(r *run) { r.spec.Process.User, r.spec.Process.Passwd = "1234", false }, "", "", "/"},
		"own entry": {func(r *run) {
			r.spec.Process.User, r.spec.Process.PasswdEntry = "1234:5", "$USERNAME:x:$UID:$GID:$NAME:$HOME:/sh"
		}, "1234:x:1234:5:1234:/:/sh\n", "\n5:x:5:\n", "/"},
		"group entry": {func(r *run) { r.spec.Process.User, r.spec.Process.GroupEntry = "web", "$GROUPNAME:x:$GID:" }, "", "\n33:x:33:\n", "/var/www"},
		"caller's name": {func(r *run) {
			r.opts.User, r.spec.Process.User = "ann", "1234"
			r.uids = idmap.Map{{Container: 1234, Host: 0, Count: 1}, {Container: 0, Host: 5, Count: 10}}
		}, "ann:*:1234:0:container user:/:/bin/sh\n", "", "/"},
		"caller's group": {func(r *run) {
			r.opts.User, r.spec.Process.User = "ann", "33:77"
			r.gids = idmap.Map{{Container: 77, Host: 0, Count: 1}, {Container: 33, Host: 5, Count: 1}}
		}, "", "\nann:x:77:\n", "/var/www"},
		"caller's group is another's": {func(r *run) {
			r.opts.User, r.spec.Process.User = "many", "33:77"
			r.gids = idmap.Map{{Container: 77, Host: 0, Count: 1}, {Container: 33, Host: 5, Count: 1}}
		}, "", "\n77:x:77:\n", "/var/www"},
		"odd caller": {func(r *run) {
			r.opts.User, r.spec.Process.User = "a:b\n", "1234"
			r.uids = idmap.Map{{Container: 1234, Host: 0, Count: 1}}
		}, "1234:*:1234:0:container user:/:/bin/sh\n", "", "/"},
		"host image":    {func(r *run) { r.spec.Host, r.spec.Process.User = true, "1234" }, "", "", "/"},
		"directory":     {func(r *run) { r.spec.Rootfs, r.spec.Process.User = &spec.Rootfs{}, "1234" }, "", "", "/"},
		"overlay of it": {func(r *run) { r.spec.Rootfs, r.spec.Process.User = &spec.Rootfs{Overlay: true}, "1234" }, "1234:*:1234:0:container user:/:/bin/sh\n", "", "/"},
	} {
		t.Run(name, func(t *testing.T) {
			r := accountRun(t, files)
			c.change(r)
			must(t, r.findUser(t.Context()))
			if got := readFile(t, r.scaffold.path("root/etc/passwd")); got != passwdText+c.passwd {
				t.Errorf("passwd: %q", strings.TrimPrefix(got, passwdText))
			}
			if got := readFile(t, r.scaffold.path("root/etc/group")); got != files["etc/group"]+c.group {
				t.Errorf("group: %q", strings.TrimPrefix(got, files["etc/group"]))
			}
			if r.who.home != c.home {
				t.Errorf("home %q, want %q", r.who.home, c.home)
			}
		})
	}
	// Nothing is written through a link, and nothing made that is not there.
	out := rootWith(t, map[string]string{"passwd": "keep"})
	r := accountRun(t, map[string]string{"etc/passwd": "-> " + out + "/passwd", "etc/group": "-> " + out + "/group"})
	r.spec.Process.User, r.spec.Process.GroupEntry = "1234", "x:x:1:"
	must(t, r.findUser(t.Context()))
	if readFile(t, out+"/passwd") != "keep" || exists(out+"/group") {
		t.Error("written through a link")
	}
}

func TestUsersThatCannotBe(t *testing.T) {
	files := map[string]string{"etc/passwd": passwdText, "etc/group": groupText}
	r := accountRun(t, files)
	r.spec.Process.User = "80000"
	err := r.findUser(t.Context())
	contains(t, fmt.Sprint(err), "UID 80000 is not mapped")
	contains(t, hint.Of(err), "--user 80000")
	r.spec.Process.User = "5:80000"
	contains(t, fmt.Sprint(r.findUser(t.Context())), "GID 80000 is not mapped")

	var said []string
	r = accountRun(t, files)
	r.opts.Warn = func(s string) { said = append(said, s) }
	r.spec.Process.User = "web"
	r.gids = idmap.Map{{Container: 33, Host: 33, Count: 1}}
	must(t, r.findUser(t.Context()))
	if len(said) != 1 || !reflect.DeepEqual(r.who.groups, []uint32{33}) {
		t.Errorf("%q, groups %v", said, r.who.groups)
	}
	contains(t, said[0], "4, 50")

	r = accountRun(t, map[string]string{"etc/passwd": "r:x:0:0::/:\n", "etc/group": groups(20)})
	said, r.opts.Warn = nil, func(s string) { said = append(said, s) }
	r.gids = idmap.Map{{Container: 0, Host: 0, Count: 1}}
	must(t, r.findUser(t.Context()))
	contains(t, said[0], "1, 2, 3", "and more")
}

func TestGroupsThatStay(t *testing.T) {
	files := map[string]string{"etc/passwd": passwdText, "etc/group": groupText}
	for name, change := range map[string]func(r *run){
		"asked for": func(r *run) { r.spec.Process.KeepGroups = true },
		"single ID": func(r *run) { r.mode.Kind = idmap.Single },
	} {
		r := accountRun(t, files)
		r.spec.Process.User = "web"
		change(r)
		must(t, r.findUser(t.Context()))
		if r.who.groups != nil || !r.keepGroups() {
			t.Errorf("%s: %v", name, r.who.groups)
		}
	}
}

func TestUserOfKeepID(t *testing.T) {
	r := accountRun(t, nil)
	r.mode.Kind = idmap.KeepID
	r.uids = idmap.Map{{Container: 1000, Host: 0, Count: 1}, {Container: 0, Host: 5, Count: 10}}
	r.gids = idmap.Map{{Container: 100, Host: 0, Count: 1}, {Container: 0, Host: 5, Count: 10}}
	must(t, r.findUser(t.Context()))
	if r.who.uid != 1000 || r.who.gid != 100 {
		t.Errorf("%+v", r.who)
	}
	r.gids = idmap.Map{{Container: 0, Host: 5, Count: 10}}
	if got := r.keptUser(); got != "" {
		t.Errorf("%q", got)
	}
	r.image.cfg.User = "3"
	must(t, r.findUser(t.Context()))
	if r.who.uid != 3 {
		t.Errorf("the image's user is passed by: %+v", r.who)
	}
}
