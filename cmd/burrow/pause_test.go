package main_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/burrow-run/burrow/internal/testbed"
)

// TestPause freezes containers where a part of the cgroup v2 tree is the
// user's; the freezer is there without any controller.
func TestPause(t *testing.T) {
	if !testbed.Root() {
		t.Skip("only root can delegate a cgroup")
	}
	name := fmt.Sprintf("e2e-pause-%d", os.Getpid())
	t.Cleanup(func() { removeCgroup(t, name) })
	runAsUser(t, "testdata/cgroup/frozen.txtar", testbed.Host{Setup: unifiedHierarchy + `
		mine=/sys/fs/cgroup/` + name + `
		mkdir $mine $mine/shell
		for f in "" /cgroup.procs /cgroup.threads /cgroup.subtree_control; do chown $UID_:$GID_ $mine$f $mine/shell$f; done
		echo $$ >$mine/shell/cgroup.procs
		`})
}
