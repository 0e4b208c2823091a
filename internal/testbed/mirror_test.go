package testbed

import "testing"

func TestMirrorIn(t *testing.T) {
	for sources, want := range map[string]string{
		"": "",
		"# deb http://old.example/debian bookworm main\n":                            "",
		"deb http://a.example/debian-security bookworm-security main\n":              "",
		"deb [signed-by=/k arch=amd64] http://a.example/debian/ bookworm main\n":     "http://a.example/debian",
		"Types: deb\n# http://c.example/debian\nURIs: https://b.example/debian\n":    "https://b.example/debian",
		"Types: deb\nURIs: http://s.example/debian-security http://b.example/debian": "http://b.example/debian",
	} {
		if got := mirrorIn(sources); got != want {
			t.Errorf("%q: %q, want %q", sources, got, want)
		}
	}
}
