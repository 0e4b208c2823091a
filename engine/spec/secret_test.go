package spec

import (
	"strings"
	"testing"
)

func TestParseSecret(t *testing.T) {
	for value, want := range map[string]Secret{
		"pw":                         {Name: "pw", Target: "/run/secrets/pw", Mode: 0o444},
		"source=pw":                  {Name: "pw", Target: "/run/secrets/pw", Mode: 0o444},
		"pw,target=x":                {Name: "pw", Target: "/run/secrets/x", Mode: 0o444},
		"pw,target=a/../b":           {Name: "pw", Target: "/run/secrets/b", Mode: 0o444},
		"pw,target=/etc/x,mode=0400": {Name: "pw", Target: "/etc/x", Mode: 0o400},
		"pw,uid=5,gid=6,type=mount":  {Name: "pw", Target: "/run/secrets/pw", Mode: 0o444, UID: 5, GID: 6},
		"type=env,source=pw":         {Name: "pw", Env: true, Target: "pw", Mode: 0o444},
		"pw,type=env,target=WORD":    {Name: "pw", Env: true, Target: "WORD", Mode: 0o444},
	} {
		if got, err := ParseSecret(value); err != nil || got != want {
			t.Errorf("%s: %+v %v", value, got, err)
		}
	}
	for value, want := range map[string]string{
		"":                    "",
		"type=env":            "names no secret",
		"a/b":                 "",
		"pw,x":                "has no value",
		"pw,x=y":              "unknown option",
		"pw,source=b":         "given twice",
		"pw,type=x":           "neither mount nor env",
		"pw,target=../x":      "leads out",
		"pw,target=.":         "leads out",
		"pw,target=/":         "cannot be /",
		"pw,target=/proc/x":   "cannot be in /proc",
		"pw,mode=999":         "octal",
		"pw,mode=4755":        "more than read",
		"pw,uid=-1":           "number",
		"pw,type=env,uid=0":   "has no uid",
		"pw,type=env,target=": "empty",
	} {
		if _, err := ParseSecret(value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestParseVolumesFrom(t *testing.T) {
	for value, want := range map[string]VolumesFrom{
		"c": {Container: "c"}, "c:ro": {Container: "c", ReadOnly: true}, "c:rw,z": {Container: "c", Relabel: true},
	} {
		if got, err := ParseVolumesFrom(value); err != nil || got != want {
			t.Errorf("%s: %+v %v", value, got, err)
		}
	}
	for _, value := range []string{"", ":ro", "c:", "c:Z", "c:ro,"} {
		if _, err := ParseVolumesFrom(value); err == nil {
			t.Errorf("%q is fine", value)
		}
	}
}
