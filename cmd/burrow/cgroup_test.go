package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/burrow-run/burrow/internal/testbed"
)

// TestCgroup runs containers where a part of the cgroup v2 tree is the user's.
// Which controllers are there is up to the host: one that also has cgroup v1 keeps
// them for that.
func TestCgroup(t *testing.T) {
	if !testbed.Root() {
		t.Skip("only root can delegate a cgroup")
	}
	name := fmt.Sprintf("e2e-%d", os.Getpid())
	t.Cleanup(func() { removeCgroup(t, name) })
	runAsUser(t, "testdata/cgroup/delegated.txtar", testbed.Host{Setup: unifiedHierarchy + `
		mine=/sys/fs/cgroup/` + name + `
		for c in cpu memory pids; do echo +$c >/sys/fs/cgroup/cgroup.subtree_control || :; done 2>/dev/null
		mkdir $mine $mine/shell
		for f in "" /cgroup.procs /cgroup.threads /cgroup.subtree_control; do chown $UID_:$GID_ $mine$f $mine/shell$f; done
		echo $$ >$mine/shell/cgroup.procs
		`})
}

const unifiedHierarchy = `
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || { umount -l /sys/fs/cgroup || :; mount -t cgroup2 none /sys/fs/cgroup; }
`

// removeCgroup removes the user's part of the tree; what is left in it is a failure.
func removeCgroup(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "unshare", "--mount", "--propagation", "private", "sh", "-c", unifiedHierarchy+`
		cd /sys/fs/cgroup && { [ -d "$1" ] || exit 0; }
		for i in $(seq 50); do rmdir "$1/shell" && rmdir "$1/supervisor" "$1"; [ -d "$1" ] || exit 0; sleep 0.1; done 2>/dev/null
		find "$1" -type d; exit 1`, "sh", name).CombinedOutput()
	if err != nil {
		t.Errorf("left in the cgroup: %v\n%s", err, out)
	}
}
