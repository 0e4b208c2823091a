package vm_test

import (
	"fmt"
	"strconv"
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

// origin is a way in which alice's process may have come about, and what its login UID is.
type origin struct {
	name, user, before string // the user who gives the command that before is
	inside             string // what the probe prints
	outside            string // of the payload, seen from the host; also what the trail has
}

const (
	alices = "0\nrefused\n0\n"
	kept   = "4294967295\nrefused\n4294967295\n"
)

var origins = []origin{
	{"ssh", "alice", "%s", alices, "1000"},
	{"service without PAM", "root", "systemd-run --uid=alice -P -q sh -c '%s'", alices, "1000"},
	{"service with PAM", "root", "systemd-run --uid=alice -P -q -p PAMName=login sh -c '%s'", alices, "1000"},
	// alice's manager lingers: it was started at boot, before she has logged in.
	// What is in a unit of hers ends with it, unless that says otherwise.
	{"unit of the user manager", "alice", "systemd-run --user -P -q -p KillMode=process sh -c '%s'", alices, "1000"},
	{"setpriv, nothing but the UID", "root", "systemd-run -P -q setpriv --reuid alice --regid alice --init-groups env HOME=/home/alice sh -c '%s'", alices, "1000"},
	// Root logged in and became alice: root answers for it.
	{"su of root", "root", "su - alice -c '%s'", kept, "0"},
}

// twoOf are a container in the background, and a further process in it; and an image.
func twoOf(name string) string {
	return "burrow run -d --network=none --name " + name + " busybox sleep 1000; burrow exec " + name + " true; burrow tag busybox " + name
}

// answersFor demands a login UID of what twoOf has started, from outside, and in the trail.
func (g guest) answersFor(name, uid string) {
	g.Helper()
	g.Cleanup(func() { g.run("alice", "burrow rm -f "+name) })
	pid := strings.TrimSpace(g.must("alice", "burrow inspect -f {{.State.Pid}} "+name))
	out := g.must("root", "cat /proc/"+pid+"/loginuid; echo; cat /proc/$(($(ps -o ppid= -p "+pid+")))/loginuid")
	if out != uid+"\n"+uid {
		g.Errorf("outside, of payload and supervisor: %q, want %s", out, uid)
	}
	// The start is noted beside the payload: perhaps after the exec.
	out = g.must("alice", "burrow audit --filter container="+name+" --format '{{.Kind}} {{.UID}} {{.LoginUID}}' | sort")
	if want := fmt.Sprintf("create 1000 %[1]s\nexec 1000 %[1]s\nexec_died 1000 %[1]s\nstart 1000 %[1]s\n", uid); out != want {
		g.Errorf("the trail has %q, want %q", out, want)
	}
	out = g.must("alice", "burrow audit --filter image="+name+" --format '{{.Kind}} {{.UID}} {{.LoginUID}}'")
	if want := fmt.Sprintf("tag 1000 %s\n", uid); out != want {
		g.Errorf("of the image the trail has %q, want %q", out, want)
	}
}

func TestLoginUIDFromEverywhere(t *testing.T) {
	g := enterWithBurrow(t)
	for _, o := range origins {
		t.Run(o.name, func(t *testing.T) {
			g := guest{TB: t, machine: g.machine}
			r := g.run(o.user, strings.Replace(o.before, "%s", loginuidProbe, 1))
			if r.Code != 0 || r.Stdout != o.inside {
				t.Errorf("inside: %q, want %q (exit %d, %s)", r.Stdout, o.inside, r.Code, r.Stderr)
			}
			name := "from-" + strconv.Itoa(len(o.name))
			g.ok(o.name, g.run(o.user, strings.Replace(o.before, "%s", twoOf(name), 1)))
			g.answersFor(name, o.outside)
		})
	}
}

func TestLoginUIDFromCron(t *testing.T) {
	g := enterWithBurrow(t)
	g.must("alice", "rm -f ~/cron.*; cat >~/cron.sh <<'EOF'\nPATH=/usr/local/bin:/usr/bin:/bin\n("+loginuidProbe+") >~/cron.out 2>&1; "+twoOf("from-cron")+"; mv ~/cron.out ~/cron.done\nEOF\n"+
		"echo '@reboot sh ~/cron.sh' | crontab -")
	t.Cleanup(func() { g.run("alice", "crontab -r") })
	g.must("root", "rm -f /run/crond.reboot; systemctl restart cron") // else a minute might pass
	const want = "0\nrefused\n0\n"
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); time.Sleep(2 * time.Second) {
		if r := g.run("alice", "cat ~/cron.done 2>/dev/null"); r.Code == 0 {
			if r.Stdout != want {
				t.Errorf("cron: %q, want %q", r.Stdout, want)
			}
			g.answersFor("from-cron", "1000")
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
