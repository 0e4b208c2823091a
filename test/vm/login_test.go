package vm_test

import (
	"strings"
	"testing"
	"time"
)

// Every way to a process has to give the container the caller's loginuid, for good:
// where it is unset, a process in the container could forge it.

// loginuidProbe prints the loginuid inside, tries to forge it, and prints it again.
// Inside, alice's UID is 0 and a loginuid without a mapping reads as 4294967295.
const loginuidProbe = `burrow run --rm --network=none busybox sh -c "cat /proc/self/loginuid; echo; ` +
	`(echo 5 >/proc/self/loginuid) 2>/dev/null || echo refused; cat /proc/self/loginuid; echo"`

func TestLoginUIDFromEverywhere(t *testing.T) {
	g := enterWithBurrow(t)
	const alices, kept = "0\nrefused\n0\n", "4294967295\nrefused\n4294967295\n"
	for _, c := range []struct{ name, user, before, want string }{
		{"ssh", "alice", "%s", alices},
		{"service without PAM", "root", "systemd-run --uid=alice -P -q sh -c '%s'", alices},
		{"service with PAM", "root", "systemd-run --uid=alice -P -q -p PAMName=login sh -c '%s'", alices},
		{"unit of the user manager", "alice", "systemd-run --user -P -q sh -c '%s'", alices},
		{"setpriv, nothing but the UID", "root", "systemd-run -P -q setpriv --reuid alice --regid alice --init-groups env HOME=/home/alice sh -c '%s'", alices},
		// Root logged in and became alice: root answers for it.
		{"su of root", "root", "su - alice -c '%s'", kept},
	} {
		r := g.run(c.user, strings.Replace(c.before, "%s", loginuidProbe, 1))
		if r.Code != 0 || r.Stdout != c.want {
			t.Errorf("%s: %q, want %q (exit %d, %s)", c.name, r.Stdout, c.want, r.Code, r.Stderr)
		}
	}
}

func TestLoginUIDFromCron(t *testing.T) {
	g := enterWithBurrow(t)
	g.must("alice", "rm -f ~/cron.*; cat >~/cron.sh <<'EOF'\nPATH=/usr/local/bin:/usr/bin:/bin\n("+loginuidProbe+") >~/cron.out 2>&1; mv ~/cron.out ~/cron.done\nEOF\n"+
		"echo '* * * * * sh ~/cron.sh' | crontab -")
	t.Cleanup(func() { g.run("alice", "crontab -r") })
	const want = "0\nrefused\n0\n"
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(2 * time.Second) {
		if r := g.run("alice", "cat ~/cron.done 2>/dev/null"); r.Code == 0 {
			if r.Stdout != want {
				t.Errorf("cron: %q, want %q", r.Stdout, want)
			}
			return
		}
	}
	t.Fatalf("cron did not run: %s", g.run("root", "journalctl -u cron --no-pager -n 20").Stdout)
}

// A record that the host keeps, seen from outside: also the helpers.
func TestLoginUIDOfEveryProcess(t *testing.T) {
	g := enterWithBurrow(t)
	g.run("alice", "burrow system migrate") // an anchor has the loginuid of who made it
	c := g.start("alice", busybox+" sh -c 'sleep 1004 & wait'")
	anchor := g.anchor()
	out := g.must("root", `for p in `+anchor+` $(pgrep -u alice | grep -vxF "$(pgrep -f ^burrow-anchor)"; pgrep -x sleep); do
		echo "$(cat /proc/$p/loginuid) $p $(tr '\0' ' ' </proc/$p/cmdline)"; done 2>/dev/null`)
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "1000 ") && !strings.Contains(line, "systemd") && !strings.Contains(line, "sd-pam") {
			t.Errorf("loginuid: %s", line)
		}
	}
	for _, process := range []string{"sleep 1004", "slirp4netns", "burrow run --name " + c.name, "burrow-anchor"} {
		if !strings.Contains(out, process) {
			t.Errorf("%s is not among\n%s", process, out)
		}
	}
}

func TestRunWithoutSubIDs(t *testing.T) {
	g := enterWithBurrow(t)
	g.image("bob", busybox)
	r := g.login("bob", "burrow run --rm --userns=single "+busybox+" cat /proc/self/uid_map")
	if r.Code != 0 || strings.Join(strings.Fields(r.Stdout), " ") != "0 0 1" {
		t.Errorf("single: %+v", r)
	}
	r = g.login("bob", "burrow run --rm "+busybox+" true")
	if r.Code == 0 && !strings.Contains(r.Stderr, "sub") {
		t.Errorf("without sub-IDs nothing is said: %+v", r)
	}
	if r.Code != 0 {
		g.refused(r, "sub", "")
	}
}
