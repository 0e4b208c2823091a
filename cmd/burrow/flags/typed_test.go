package flags

import (
	"reflect"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for line, want := range map[string]struct {
		flags string
		rest  string
	}{
		"img a -b":                        {"", "img a -b"},
		"-d img":                          {"detach=true[-d]", "img"},
		"-dit -e A=b img -x":              {"detach=true[-d] interactive=true[-i] tty=true[-t] env=A=b[-e A=b]", "img -x"},
		"-iteA=b img":                     {"interactive=true[-i] tty=true[-t] env=A=b[-e A=b]", "img"},
		"-d=false img":                    {"detach=false[-d=false]", "img"},
		"--net=host --rm -- img --":       {"network=host[--net=host] rm=true[--rm]", "img --"},
		"--name x --detach=false img":     {"name=x[--name x] detach=false[--detach=false]", "img"},
		"--rootfs --read-only /dir sh -c": {"rootfs=true[--rootfs] read-only=true[--read-only]", "/dir sh -c"},
		"-v /a:/b --replace":              {"volume=/a:/b[-v /a:/b] replace=true[--replace]", ""},
		"-h - -":                          {"hostname=-[-h -]", "-"},
	} {
		typed, rest, err := Split(strings.Fields(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		var got []string
		for _, f := range typed {
			got = append(got, f.Name+"="+f.Value+"["+strings.Join(f.Args, " ")+"]")
		}
		if strings.Join(got, " ") != want.flags || strings.Join(rest, " ") != want.rest {
			t.Errorf("%s:\n got %q, %q\nwant %q, %q", line, got, rest, want.flags, want.rest)
		}
	}
	for _, bad := range []string{"--nosuch img", "-Z img", "--name", "-e", "-dZ"} {
		if got, _, err := Split(strings.Fields(bad)); err == nil {
			t.Errorf("%s: %v", bad, got)
		}
	}
}

// What was taken apart means the same: of every flag, as the samples have it.
func TestSplitChangesNothing(t *testing.T) {
	for name, argv := range supported(t) {
		typed, rest, err := Split(append(argv, "img"))
		if err != nil {
			t.Errorf("--%s: %v", name, err)
			continue
		}
		var again []string
		for _, f := range typed {
			again = append(again, f.Args...)
		}
		if want := append(argv, "img"); !reflect.DeepEqual(append(again, rest...), want) {
			t.Errorf("--%s: %q and %q, want %q", name, again, rest, want)
		}
	}
}
