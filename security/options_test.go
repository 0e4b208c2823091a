package security

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/hint"
)

func TestParseOpts(t *testing.T) {
	strict := opts{noNewPrivileges: true}
	with := func(change func(*opts)) opts {
		o := strict
		change(&o)
		return o
	}
	for word, want := range map[string]opts{
		"seccomp=unconfined":       with(func(o *opts) { o.seccomp = "unconfined" }),
		"seccomp:unconfined":       with(func(o *opts) { o.seccomp = "unconfined" }),
		"seccomp=default":          strict,
		"seccomp=builtin":          strict,
		"seccomp=/a:b=c":           with(func(o *opts) { o.seccomp = "/a:b=c" }),
		"no-new-privileges":        strict,
		"no-new-privileges:true":   strict,
		"no-new-privileges=false":  with(func(o *opts) { o.noNewPrivileges = false }),
		"no-new-privileges:false":  with(func(o *opts) { o.noNewPrivileges = false }),
		"label=disable":            with(func(o *opts) { o.label.disable = true }),
		"label:disable":            with(func(o *opts) { o.label.disable = true }),
		"label=type:foo_t":         with(func(o *opts) { o.label.typ = "foo_t" }),
		"label:level:s0:c1,c2":     with(func(o *opts) { o.label.level = "s0:c1,c2" }),
		"label=user:u":             with(func(o *opts) { o.label.user = "u" }),
		"label=role:r":             with(func(o *opts) { o.label.role = "r" }),
		"label=filetype:f_t":       with(func(o *opts) { o.label.fileLabel = "f_t" }),
		"apparmor=p":               with(func(o *opts) { o.appArmor = "p" }),
		"apparmor:unconfined":      with(func(o *opts) { o.appArmor = "unconfined" }),
		"mask=/proc/a:/proc/b/":    with(func(o *opts) { o.mask = []string{"/proc/a", "/proc/b"} }),
		"unmask=ALL":               with(func(o *opts) { o.unmask = []string{"ALL"} }),
		"unmask=all":               with(func(o *opts) { o.unmask = []string{"ALL"} }),
		"unmask=/proc/*:/sys/fi*":  with(func(o *opts) { o.unmask = []string{"/proc/*", "/sys/fi*"} }),
		"systempaths=unconfined":   with(func(o *opts) { o.unmask = []string{"ALL"} }),
		"proc-opts=hidepid=2,ro":   with(func(o *opts) { o.procOpts = []string{"hidepid=2", "ro"} }),
		"landlock=off":             with(func(o *opts) { o.landlockOff = true }),
		"landlock=on":              strict,
		"compat32":                 with(func(o *opts) { o.compat32 = true }),
		"compat32=false":           strict,
		"nesting":                  with(func(o *opts) { o.nesting = true }),
		"writable-cgroups=true":    with(func(o *opts) { o.writableCgroups = true }),
		"proc-opts=gid=5,nosuid":   with(func(o *opts) { o.procOpts = []string{"gid=5", "nosuid"} }),
		"proc-opts=subset=pid":     with(func(o *opts) { o.procOpts = []string{"subset=pid"} }),
		"unmask=/proc/../sys/foo":  with(func(o *opts) { o.unmask = []string{"/sys/foo"} }),
		"mask=/sys/class/../block": with(func(o *opts) { o.mask = []string{"/sys/block"} }),
	} {
		got, err := parseOpts([]string{word})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v; want %+v", word, got, err, want)
		}
	}
}

func TestParseOptsRefused(t *testing.T) {
	for _, word := range []string{
		"", "=", ":", "foo", "foo=bar", "seccomp", "seccomp=", "label", "label=", "label=foo", "label=nested", "label=type:",
		"label=colour:red", "label=type:a b", "no-new-privileges=maybe", "landlock", "landlock=perhaps", "nesting=2",
		"mask=relative", "mask=", "mask=/", "mask=/proc", "mask=/proc/", "mask=/proc/x/..", "mask=:/proc/x",
		"unmask=relative", "unmask=/proc/[", "proc-opts=hidepid=7", "proc-opts=hidepid=2,exec", "proc-opts=gid=-1",
		"proc-opts=subset=all", "systempaths=confined", "apparmor=a b", "seccomp=/x\n/y", "label=level:s0\x00",
	} {
		if _, err := parseOpts([]string{word}); !errors.Is(err, ErrOption) {
			t.Errorf("%q: got %v, want ErrOption", word, err)
		}
	}
	_, err := parseOpts([]string{"no-new-privilege"})
	if h := hint.Of(err); !strings.Contains(h, "no-new-privileges") {
		t.Errorf("hint %q", h)
	}
}

// FuzzOptions: no words may crash, none may leave a control character behind,
// and only the documented ones may relax anything.
func FuzzOptions(f *testing.F) {
	for _, w := range []string{"seccomp=unconfined", "label=type:x", "mask=/a:/b", "proc-opts=hidepid=2", "unmask=ALL", "nesting"} {
		f.Add(w, "landlock=off")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		o, err := parseOpts([]string{a, b})
		if err != nil {
			if !errors.Is(err, ErrOption) {
				t.Errorf("%v is not ErrOption", err)
			}
			return
		}
		for _, p := range o.mask {
			if !strings.HasPrefix(p, "/") || strings.Contains(p, "/../") {
				t.Errorf("mask %q", p)
			}
		}
		for _, s := range append([]string{o.seccomp, o.appArmor, o.label.level}, o.procOpts...) {
			if strings.ContainsAny(s, "\n\x00\r") {
				t.Errorf("control character in %q", s)
			}
		}
	})
}
