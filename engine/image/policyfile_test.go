package image

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.podman.io/image/v5/types"

	"github.com/burrow-run/burrow/internal/hint"
	hostsys "github.com/burrow-run/burrow/internal/sys"
)

// TestPolicyOfOthers: a policy that somebody else could have written is none, whether it is
// named or found. The control is the same file when nobody else can write it.
func TestPolicyOfOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.json")
	if err := os.WriteFile(path, []byte(`{"default":[{"type":"reject"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o644: true, 0o646: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		for name, read := range map[string]func(t *testing.T) error{
			"named": func(*testing.T) error { _, err := policy(&types.SystemContext{SignaturePolicyPath: path}); return err },
			"found": func(t *testing.T) error {
				t.Setenv("CONTAINERS_POLICY_JSON", path)
				_, err := policy(nil)
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				err := read(t)
				var foreign *hostsys.ForeignError
				if errors.As(err, &foreign) == good || (err == nil) != good {
					t.Errorf("%o: %v", mode, err)
				}
				if !good && (hint.Of(err) != "chmod o-w "+path || !strings.Contains(err.Error(), path)) {
					t.Errorf("%v (hint %q)", err, hint.Of(err))
				}
			})
		}
	}
}
