package spec

import (
	"reflect"
	"strings"
	"testing"
)

func tmpfs(dst string) Mount { return Mount{Type: MountTmpfs, Dest: dst} }

func TestParseMount(t *testing.T) {
	for in, want := range map[string]Mount{
		"type=bind,src=/s,dst=/d":                         bind("/s", "/d"),
		"type=bind,source=s,target=/d":                    bind(cwd+"/s", "/d"),
		"destination=/d,source=/s,type=bind":              bind("/s", "/d"),
		`type=bind,"src=/a,b",dst=/d`:                     bind("/a,b", "/d"),
		"type=bind,src=/s,dst=/d,ro":                      with(bind("/s", "/d"), func(m *Mount) { m.ReadOnly = true }),
		"type=bind,src=/s,dst=/d,readonly=true":           with(bind("/s", "/d"), func(m *Mount) { m.ReadOnly = true }),
		"type=bind,src=/s,dst=/d,ro=0":                    bind("/s", "/d"),
		"type=bind,src=/s,dst=/d,rw=false":                with(bind("/s", "/d"), func(m *Mount) { m.ReadOnly = true }),
		"type=bind,src=/s,dst=/d,bind-propagation=slave":  with(bind("/s", "/d"), func(m *Mount) { m.Propagation = Slave }),
		"type=bind,src=/s,dst=/d,bind-nonrecursive":       with(bind("/s", "/d"), func(m *Mount) { m.NonRecursive = true }),
		"type=bind,src=/s,dst=/d,bind-recursive=disabled": with(bind("/s", "/d"), func(m *Mount) { m.NonRecursive = true }),
		"type=bind,src=/s,dst=/d,bind-recursive=readonly": bind("/s", "/d"),
		"type=bind,src=/s,dst=/d,relabel=private":         with(bind("/s", "/d"), func(m *Mount) { m.Relabel = RelabelPrivate }),
		"type=bind,src=/s,dst=/d,z":                       with(bind("/s", "/d"), func(m *Mount) { m.Relabel = RelabelShared }),
		"type=bind,src=/s,dst=/d,U=true":                  with(bind("/s", "/d"), func(m *Mount) { m.Chown = true }),
		"type=bind,src=/s,dst=/d,chown=false,idmap=false": bind("/s", "/d"),
		"type=bind,src=/s,dst=/d,noexec,suid=true":        with(bind("/s", "/d"), func(m *Mount) { m.Exec, m.SUID = false, true }),
		"type=bind,src=/s,dst=/d,exec=false":              with(bind("/s", "/d"), func(m *Mount) { m.Exec = false }),
		"type=bind,src=/s,dst=/d,consistency=cached":      bind("/s", "/d"),
		"type=bind,src=/s,dst=/d,O":                       with(bind("/s", "/d"), func(m *Mount) { m.Overlay = true }),
		"dst=/d":                                          volume("", "/d"),
		"src=v,dst=/d":                                    volume("v", "/d"),
		"type=volume,src=v,dst=/d,volume-nocopy":          with(volume("v", "/d"), func(m *Mount) { m.NoCopyUp = true }),
		"type=tmpfs,dst=/d":                               tmpfs("/d"),
		"type=tmpfs,dst=/d,tmpfs-size=1m,tmpfs-mode=700":  with(tmpfs("/d"), func(m *Mount) { m.Size, m.Mode = "1048576", new(uint32(0o700)) }),
		"type=tmpfs,dst=/d,notmpcopyup":                   with(tmpfs("/d"), func(m *Mount) { m.NoCopyUp = true }),
		"type=tmpfs,dst=/d,tmpcopyup=false":               with(tmpfs("/d"), func(m *Mount) { m.NoCopyUp = true }),
		"type=devpts,dst=/d,uid=1,gid=5,mode=620,max=9": {
			Type: MountDevpts, Dest: "/d", UID: new(uint32(1)), GID: new(uint32(5)), Mode: new(uint32(0o620)), Max: new(uint32(9)),
		},
		"type=mqueue,dst=/d": {Type: MountMqueue, Dest: "/d"},
		"type=artifact,src=a:1,dst=/d": {
			Type: MountArtifact, Source: "a:1", Dest: "/d", ReadOnly: true, Exec: true, Artifact: &ArtifactMount{},
		},
		"type=artifact,source=a,destination=/d,title=t,name=n,ro": {
			Type: MountArtifact, Source: "a", Dest: "/d", ReadOnly: true, Exec: true, Artifact: &ArtifactMount{Title: "t", Name: "n"},
		},
		"digest=sha256:1,type=artifact,source=a,dest=/d,readonly=true": {
			Type: MountArtifact, Source: "a", Dest: "/d", ReadOnly: true, Exec: true, Artifact: &ArtifactMount{Digest: "sha256:1"},
		},
	} {
		got, err := ParseMount(in, cwd)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseMount(%q) = %+v, %v, want %+v", in, got, err, want)
		}
	}
}

func TestParseMountRefuses(t *testing.T) {
	const b = "type=bind,src=/s,dst=/d"
	for in, why := range map[string]string{
		"":                                                   "is empty",
		"type=bind":                                          "no destination",
		"type=bind,dst=/d":                                   "needs a source",
		"type=bind,src=,dst=/d":                              "path is empty",
		"type=volume,src=,dst=/d":                            "name is empty",
		"type=volume,src=../x,dst=/d":                        "names must match",
		"type=x,dst=/d":                                      `unknown type "x"`,
		"type=image,src=i,dst=/d":                            "not supported",
		"type=artifact,dst=/d":                               "needs a source",
		"type=artifact,src=a":                                "no destination",
		"type=artifact,src=a,dst=/d,rw":                      "which are read-only",
		"type=artifact,src=a,dst=/d,ro=false":                "which are read-only",
		"type=artifact,src=a,dst=/d,U":                       "which are read-only",
		"type=artifact,src=a,dst=/d,O":                       "which are read-only",
		"type=artifact,src=a,dst=/d,subpath=x":               "which are read-only",
		"type=artifact,src=a,dst=/d,name=../x":               "no name for a file",
		"type=artifact,src=a,dst=/d,name=..":                 "no name for a file",
		"type=artifact,src=a,dst=/d,title=":                  `"title" is empty`,
		"type=artifact,src=a,dst=/d,title=x,digest=sha256:1": "exclude each other",
		"type=artifact,src=a,src=b,dst=/d":                   `"src" is given twice`,
		"type=bind,src=/s,dst=/d,title=x":                    "not for mounts of type bind",
		"type=bind,type=tmpfs,dst=/d":                        `"type" is given twice`,
		"type=tmpfs,src=/s,dst=/d":                           "has no source",
		"type=tmpfs,dst=/d,dst=/e":                           `"dst" is given twice`,
		"type=tmpfs,dst=/d,target=/e":                        `"dst" and "target" exclude`,
		"type=tmpfs,dst=/proc":                               "in /proc",
		"type=tmpfs,dst=d":                                   "not an absolute path",
		"type=tmpfs,dst=/d,tmpfs-size=x":                     "not a size",
		"type=tmpfs,dst=/d,size=101%":                        "percentage",
		"type=tmpfs,dst=/d,tmpfs-mode=8":                     "octal",
		"type=tmpfs,dst=/d,max=1":                            "not for mounts of type tmpfs",
		"type=tmpfs,dst=/d,z":                                `unknown option "z"`,
		"type=tmpfs,dst=/d,bind-propagation=shared":          "unknown option",
		"type=devpts,dst=/d,tmpcopyup":                       "not for mounts of type devpts",
		"type=bind,src=/s,dst=/d,volume-opt=a":               "not for mounts of type bind",
		"type=volume,src=v,dst=/d,subpath=/x":                "is not a path in the volume",
		"type=volume,dst=/d,volume-label==a":                 "has no name",
		"type=volume,dst=/d,volume-driver=nfs":               "not supported",
		b + ",bogus=1":                                       `unknown option "bogus=1"`,
		b + ",":                                              "empty option",
		b + ",ro=maybe":                                      "neither true nor false",
		b + ",ro,rw":                                         "exclude each other",
		b + ",idmap":                                         "not supported",
		b + ",relabel=Y":                                     "neither shared nor private",
		b + ",bind-recursive=writable":                       "not supported",
		b + ",bind-recursive=x":                              "unknown value",
		b + ",O,ro":                                          "excludes",
		b + "\n":                                             "newline",
		`type=bind,"src=/s`:                                  "unbalanced quotes",
	} {
		if _, err := ParseMount(in, cwd); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("ParseMount(%q) = %v, want %q", in, err, why)
		}
	}
}

// V34: propagation is one of eight words, however it is wrapped.
func TestPropagationIsOneOfEight(t *testing.T) {
	for _, p := range []string{
		"private", "rprivate", "shared", "rshared", "slave", "rslave", "unbindable", "runbindable",
	} {
		m, err := ParseMount("type=bind,src=/s,dst=/d,bind-propagation="+p, cwd)
		if err != nil || string(m.Propagation) != p {
			t.Errorf("%s: %v, %v", p, m.Propagation, err)
		}
	}
	for _, p := range []string{
		"", "Private", "private ", " private", "private,suid", "private\n", "private\x00", "rprivate,lowerdir=/",
		`private"`, "'private'", "privateshared", "suid", "ro", "z", "bind", "0",
	} {
		// Quoted as CSV, so that a comma is part of the value.
		field := `"bind-propagation=` + strings.ReplaceAll(p, `"`, `""`) + `"`
		if m, err := ParseMount("type=bind,src=/s,dst=/d,"+field, cwd); err == nil {
			t.Errorf("%q is accepted: %+v", field, m)
		}
		if strings.Contains(p, ",") {
			continue // unquoted it is two options, and no smuggling
		}
		if m, err := ParseMount("type=bind,src=/s,dst=/d,bind-propagation="+p, cwd); err == nil {
			t.Errorf("%q is accepted: %+v", p, m)
		}
	}
}

func TestParseTmpfs(t *testing.T) {
	for in, want := range map[string]Mount{
		"/t":       tmpfs("/t"),
		"/t:rw":    tmpfs("/t"),
		"/t/../u/": tmpfs("/u"),
		"/t:ro,exec,suid,dev,size=50%": with(tmpfs("/t"), func(m *Mount) {
			m.ReadOnly, m.Exec, m.SUID, m.Dev, m.Size = true, true, true, true, "50%"
		}),
		"/t:size=64k,mode=1777,uid=1,gid=2,nr_inodes=1k,notmpcopyup": with(tmpfs("/t"), func(m *Mount) {
			m.Size, m.Mode, m.UID, m.GID, m.Inodes, m.NoCopyUp = "65536", new(uint32(0o1777)), new(uint32(1)), new(uint32(2)), "1024", true
		}),
	} {
		got, err := ParseTmpfs(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseTmpfs(%q) = %+v, %v, want %+v", in, got, err, want)
		}
	}
	for in, why := range map[string]string{
		"": "no destination", "t": "not an absolute", "/": "cannot be /", "/proc/sys": "in /proc",
		"/t:": "empty option", "/t:huge=always": `unknown option "huge=always"`, "/t:mode=99": "octal",
		"/t:size=1,mpol=x": "mpol", "/t:size=1\n": "not a size", "/t:shared": "unknown option", "/t:uid=-1": "not a number",
		"/t:mode=0777,mode=0700": "exclude each other|given twice",
	} {
		_, err := ParseTmpfs(in)
		found := false
		for w := range strings.SplitSeq(why, "|") {
			found = found || err != nil && strings.Contains(err.Error(), w)
		}
		if !found {
			t.Errorf("ParseTmpfs(%q) = %v, want %q", in, err, why)
		}
	}
}

func TestParseDevice(t *testing.T) {
	rwm := Device{Read: true, Write: true, Mknod: true}
	dev := func(host, ctr string) Device { d := rwm; d.Host, d.Container = host, ctr; return d }
	for in, want := range map[string]Device{
		"/dev/a":           dev("/dev/a", "/dev/a"),
		"/dev//./a":        dev("/dev/a", "/dev/a"),
		"/dev/a:/dev/b":    dev("/dev/a", "/dev/b"),
		"/dev/a:rwm":       dev("/dev/a", "/dev/a"),
		"/dev/a:r":         {Host: "/dev/a", Container: "/dev/a", Read: true},
		"/dev/a:/dev/b:mw": {Host: "/dev/a", Container: "/dev/b", Write: true, Mknod: true},
	} {
		if got, err := ParseDevice(in); err != nil || got != want {
			t.Errorf("ParseDevice(%q) = %+v, %v, want %+v", in, got, err, want)
		}
	}
	for in, why := range map[string]string{
		"": "absolute", "dev/a": "absolute", "/": "cannot be /", "/dev/a:x": "r, w and m", "/dev/a:": "empty",
		"/dev/a:rr": "r, w and m", "/dev/a:/b:": "empty", "/dev/a:/b:r:w": "more than", "/dev/a:/proc/x": "in /proc",
		"vendor.com/class=gpu": "not supported", "/dev/a\n": "newline", "/dev/a:/b\x00": "NUL", "/dev/a:b:r": "not an absolute",
	} {
		if _, err := ParseDevice(in); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("ParseDevice(%q) = %v, want %q", in, err, why)
		}
	}
}
