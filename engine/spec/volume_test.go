package spec

import (
	"reflect"
	"strings"
	"testing"
)

const cwd = "/home/ann/work"

func bind(src, dst string) Mount {
	return Mount{Type: MountBind, Source: src, Dest: dst, Exec: true, Propagation: RPrivate}
}

func volume(name, dst string) Mount {
	return Mount{Type: MountVolume, Source: name, Dest: dst, Exec: true, Propagation: RPrivate}
}

func with(m Mount, change func(*Mount)) Mount {
	change(&m)
	return m
}

func TestParseVolume(t *testing.T) {
	for in, want := range map[string]Mount{
		"/src:/dst":           bind("/src", "/dst"),
		"./src:/dst":          bind("/home/ann/work/src", "/dst"),
		"../src:/dst/":        bind("/home/ann/src", "/dst"),
		".:/dst":              bind(cwd, "/dst"),
		"/:/host":             bind("/", "/host"),
		"/a/../b//c:/d/./e":   bind("/b/c", "/d/e"),
		"cache:/var/cache":    volume("cache", "/var/cache"),
		"/data":               volume("", "/data"),
		"/a\\:b:/c":           bind("/a:b", "/c"),
		"/s:/d:ro":            with(bind("/s", "/d"), func(m *Mount) { m.ReadOnly = true }),
		"/s:/d:rw":            bind("/s", "/d"),
		"/s:/d:z":             with(bind("/s", "/d"), func(m *Mount) { m.Relabel = RelabelShared }),
		"/s:/d:Z,U":           with(bind("/s", "/d"), func(m *Mount) { m.Relabel, m.Chown = RelabelPrivate, true }),
		"/s:/d:O":             with(bind("/s", "/d"), func(m *Mount) { m.Overlay = true }),
		"/s:/d:suid,dev":      with(bind("/s", "/d"), func(m *Mount) { m.SUID, m.Dev = true, true }),
		"/s:/d:nosuid,noexec": with(bind("/s", "/d"), func(m *Mount) { m.Exec = false }),
		"/s:/d:rslave":        with(bind("/s", "/d"), func(m *Mount) { m.Propagation = RSlave }),
		"/s:/d:bind,shared":   with(bind("/s", "/d"), func(m *Mount) { m.NonRecursive, m.Propagation = true, Shared }),
		"v:/d:nocopy":         with(volume("v", "/d"), func(m *Mount) { m.NoCopyUp = true }),
		"/s:/d:cached":        bind("/s", "/d"),
	} {
		got, err := ParseVolume(in, cwd)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseVolume(%q) = %+v, %v, want %+v", in, got, err, want)
		}
	}
}

func TestParseVolumeRefuses(t *testing.T) {
	for in, why := range map[string]string{
		"":                                  "no destination",
		":/d":                               "empty source",
		"/s:":                               "no destination",
		"/s:/d:":                            "empty option",
		"/s:/d:ro,":                         "empty option",
		"/s:/d:ro:x":                        "more than",
		"/s:d":                              "not an absolute path",
		"data":                              "not an absolute path",
		"a/b:/d":                            "neither a path nor the name",
		"-v:/d":                             "names must match",
		"/s:/d:badopt":                      `unknown option "badopt"`,
		"/s:/d:ro=true":                     `unknown option "ro=true"`,
		"/s:/d:ro,rw":                       `"ro" and "rw" exclude each other`,
		"/s:/d:z,Z":                         `"z" and "Z" exclude each other`,
		"/s:/d:ro,ro":                       "given twice",
		"/s:/d:private,rshared":             "exclude each other",
		"/s:/d:O,ro":                        "excludes all others",
		"/s:/d:O,upperdir=/a":               "not supported",
		"/s:/d:idmap":                       "not supported",
		"/s:/d:idmap=uids=0-1-1":            "not supported",
		"/s:/d:size=1m":                     "not for mounts of type bind",
		"/s:/d:nocopy":                      "not for mounts of type bind",
		"v:/d:shared":                       "not for mounts of type volume",
		"/s:/":                              "cannot be /",
		"/s:/..":                            "cannot be /",
		"/s:/proc":                          "in /proc",
		"/s:/proc/":                         "in /proc",
		"/s:/proc/self/attr":                "in /proc",
		"/s:/x/../proc/sysrq":               "in /proc",
		"/s:/d\nro":                         "newline",
		"/s\n:/d":                           "newline",
		"/s:/d\x00":                         "NUL",
		"/s:/d:private\nshared":             "unknown option",
		"/s:/d:rprivate suid":               "unknown option",
		"v:/d:" + strings.Repeat("x", 9999): "…",
	} {
		_, err := ParseVolume(in, cwd)
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("ParseVolume(%q) = %v, want %q", in, err, why)
		}
		if err != nil && (strings.Contains(err.Error(), "\n") || len(err.Error()) > 400) {
			t.Errorf("ParseVolume(%q): error is not one short line: %q", in, err)
		}
	}
	// Beside /proc is not in it.
	if _, err := ParseVolume("/s:/process", cwd); err != nil {
		t.Errorf("/process: %v", err)
	}
}
