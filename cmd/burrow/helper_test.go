package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/burrow-run/burrow/internal/testbed"
)

// TestHelpersAreConfined shows I34: what serves a container from outside is
// itself filtered, without capabilities on the host, and does not see the home.
func TestHelpersAreConfined(t *testing.T) {
	asUser(t, func(t *testing.T, sh *shell) {
		canary := filepath.Join(sh.user.Home, "CANARY")
		if err := os.WriteFile(canary, []byte("secret"), 0o600); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(canary)
		for _, helper := range []string{"slirp4netns", "pasta"} {
			t.Run(helper, func(t *testing.T) {
				cond := map[string]string{"slirp4netns": "net", "pasta": "pasta"}[helper]
				if _, err := testbed.Lacking(cond); err != nil {
					t.Skip(err)
				}
				sh := sh.with(t)
				port := fmt.Sprintf("127.0.0.1:%d:80", 29000+os.Getpid()%900)
				payload := sh.start("h-"+helper, "--network="+helper, "-p", port, "debian", "sleep", "1000")
				checkHelpers(t, sh, helper, payload, canary)
			})
		}
	})
}

// checkHelpers looks at every process below the anchor but containers and the
// run that waits for them.
func checkHelpers(t *testing.T, sh *shell, helper string, payload int, canary string) {
	t.Helper()
	below, err := testbed.Below(testbed.Anchor(sh.runtime))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, p := range below {
		if p.PID == payload || p.PID == testbed.Anchor(sh.runtime) || strings.Contains(p.Command, "burrow run") {
			continue
		}
		found = found || strings.Contains(p.Command, helper)
		s := status(t, fmt.Sprintf("/proc/%d/status", p.PID))
		if s["Seccomp"] != "2" || s["NoNewPrivs"] != "1" {
			t.Errorf("%s: Seccomp %s, NoNewPrivs %s", p, s["Seccomp"], s["NoNewPrivs"])
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d/root%s", p.PID, canary)); err == nil {
			t.Errorf("%s sees %s", p, canary)
		}
		ids, err := sh.user.SubIDs()
		if err != nil {
			t.Fatal(err)
		}
		for uid := range strings.FieldsSeq(s["Uid"]) {
			var n int
			if _, err := fmt.Sscan(uid, &n); err != nil || !testbed.Owns(ids, n) {
				t.Errorf("%s runs as %s", p, uid)
			}
		}
	}
	if !found {
		t.Errorf("no %s among %v", helper, below)
	}
}
