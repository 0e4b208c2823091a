package vm_test

import (
	"fmt"
	"strings"
	"testing"
)

// The tests of this file try the bed itself, without Burrow: if they fail, what the
// others say is worth nothing.

func TestBedBootsTheKernelAskedFor(t *testing.T) {
	g := enter(t)
	want := env("BURROW_VM_KERNEL", "6.1") + "."
	if got := g.must("root", "uname -r"); !strings.HasPrefix(got, want) {
		t.Errorf("kernel %s, want %s*", got, want)
	}
	if got := g.must("root", "systemctl is-system-running --wait || systemctl --failed"); strings.TrimSpace(got) != "running" {
		t.Errorf("system state: %s", got)
	}
	for _, lsm := range []string{"selinux", "landlock", "yama"} {
		if got := g.must("root", "cat /sys/kernel/security/lsm"); !strings.Contains(got, lsm) {
			t.Errorf("LSMs %q lack %s", got, lsm)
		}
	}
}

func TestBedGivesUsersRealSessions(t *testing.T) {
	g := enter(t)
	for user, uid := range map[string]int{"alice": 1000, "bob": 1001} {
		got := g.ok("login", g.login(user, `cat /proc/self/loginuid; echo; cat /proc/self/cgroup
			systemctl --user is-system-running --wait; grep -c . /proc/self/sessionid
			stat -c %u "$XDG_RUNTIME_DIR"; id -Z; grep "^$USER:" /etc/subuid || echo no sub-IDs`))
		for _, want := range []string{
			fmt.Sprintf("%d\n", uid), fmt.Sprintf("/user.slice/user-%d.slice/session-", uid), "running",
			"unconfined_u:unconfined_r:unconfined_t:s0", map[string]string{"alice": "alice:100000:65536", "bob": "no sub-IDs"}[user],
		} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q lacks %q", user, got, want)
			}
		}
	}
}

func TestBedDelegatesControllers(t *testing.T) {
	g := enter(t)
	got := g.must("alice", `cat /sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers`)
	if strings.TrimSpace(got) != "cpu memory pids" {
		t.Errorf("delegated controllers %q, want systemd's default: cpu memory pids", got)
	}
	// The limit must bite: a scope of alice's with 32 MiB, and a reader that wants 64.
	r := g.run("alice", `systemd-run --user --scope -q -p MemoryMax=32M -p MemorySwapMax=0 sh -c 'x=$(head -c 64M /dev/zero | tr "\0" x)'`)
	if r.Code == 0 {
		t.Errorf("64 MiB fit in a scope of 32: %+v", r)
	}
}

func TestBedEnforcesSELinux(t *testing.T) {
	g := enter(t)
	g.enforcing()
	if got := strings.TrimSpace(g.must("alice", "/usr/sbin/getenforce")); got != "Enforcing" {
		t.Fatalf("getenforce: %s", got)
	}
	// The log daemon's domain may not be entered through a shell, nor read the shadow file.
	const intrude = "systemd-run -P -q -p SELinuxContext=system_u:system_r:syslogd_t:s0 head -c 1 /etc/shadow"
	if r := g.run("root", intrude); r.Code == 0 {
		t.Errorf("a foreign domain read /etc/shadow: %+v", r)
	}
	g.must("root", "ausearch --input-logs -m avc -ts recent | grep syslogd_t")
	g.must("root", "setenforce 0 && "+intrude) // so it was SELinux that forbade it
	if got := g.must("root", "ls -Z /etc/shadow /usr/bin/newuidmap"); strings.Contains(got, "unlabeled_t") || !strings.Contains(got, "shadow_t") {
		t.Errorf("labels of the disk: %s", got)
	}
}

func TestBedAudits(t *testing.T) {
	g := enter(t)
	g.auditRules("-a always,exit -F arch=b64 -S execve -F auid>=1000 -F auid!=unset -k bed")
	g.must("alice", "/bin/true")
	if got := g.must("root", "auditctl -s | grep -c 'enabled 1' && ausearch --input-logs -k bed -x /usr/bin/true --raw"); !strings.Contains(got, " auid=1000 uid=1000 ") {
		t.Errorf("audit record of alice's exec: %s", got)
	}
}

// enforcing puts SELinux in enforcing mode for the rest of the test.
func (g guest) enforcing() {
	g.Helper()
	before := strings.TrimSpace(g.must("root", "getenforce"))
	g.must("root", "setenforce 1")
	if before != "Enforcing" {
		g.Cleanup(func() { g.run("root", "setenforce 0") })
	}
}

// auditRules adds rules, in the syntax of audit.rules(7), for the rest of the test.
func (g guest) auditRules(rules string) {
	g.Helper()
	g.must("root", "cat >/run/test.rules <<'EOF'\n"+rules+"\nEOF\nauditctl -R /run/test.rules")
	g.Cleanup(func() { g.run("root", "auditctl -D") })
}
