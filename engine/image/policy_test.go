package image

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"go.podman.io/image/v5/types"
)

// TestPolicyFile: where there is none every image is accepted; one that was
// asked for and is not there is an error.
func TestPolicyFile(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	none := &types.SystemContext{RootForImplicitAbsolutePaths: t.TempDir()}
	p, err := policy(none)
	if err != nil || len(p.Default) != 1 {
		t.Fatal(p, err)
	}
	named := &types.SystemContext{SignaturePolicyPath: filepath.Join(t.TempDir(), "absent")}
	if _, err := policy(named); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := os.WriteFile(named.SignaturePolicyPath, []byte(`{"default":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := policy(named); err == nil {
		t.Error("a policy that says nothing was accepted")
	}
}
