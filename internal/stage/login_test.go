package stage

import (
	"os"
	"slices"
	"testing"
)

// Who is told a login UID knows it, and tells those only that it starts on purpose.
func TestTakeLoginUID(t *testing.T) {
	t.Cleanup(func() { SetLoginUID("") })
	t.Setenv(envLogin, "1018")
	TakeLoginUID()
	if _, left := os.LookupEnv(envLogin); LoginUID() != "1018" || left {
		t.Errorf("%q, in the environment still: %v", LoginUID(), left)
	}
	if got := Inherited(); !slices.Equal(got, []string{envLogin + "=1018"}) {
		t.Errorf("handed on: %q", got)
	}
	TakeLoginUID()
	if LoginUID() != "" || Inherited() != nil {
		t.Errorf("of nobody: %q", LoginUID())
	}
}
