package paths

import "testing"

func TestFor(t *testing.T) {
	got := For(Env{Home: "/home/u", StateHome: "relative", RuntimeDir: "/run/user/7"}, 7)
	want := Dirs{
		Data: "/home/u/.local/share/burrow", State: "/home/u/.local/state/burrow",
		Cache: "/home/u/.cache/burrow", Run: "/run/user/7/burrow",
	}
	if got != want {
		t.Errorf("For() = %+v, want %+v", got, want)
	}
	if got := For(Env{Home: "/h"}, 7).Run; got != "/tmp/burrow-run-7" {
		t.Errorf("without XDG_RUNTIME_DIR Run = %q", got)
	}
}
