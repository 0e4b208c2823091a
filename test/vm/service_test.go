package vm_test

import (
	"strings"
	"testing"
)

const userUnits = "~/.config/systemd/user"

// service makes the unit of a container of alice's, as its user would, and forgets it
// in the end. flags are generate's.
func (g guest) service(container, flags string) (unit string) {
	g.Helper()
	unit = "container-" + container + ".service"
	g.Cleanup(func() {
		g.run("alice", "systemctl --user stop "+unit+"; rm -f "+userUnits+"/"+unit+"; systemctl --user daemon-reload; systemctl --user reset-failed; burrow rm -f "+container)
	})
	g.must("alice", "mkdir -p "+userUnits+" && cd "+userUnits+" && burrow generate systemd --files --name "+flags+" "+container+" && systemctl --user daemon-reload")
	if got := g.must("alice", "systemd-analyze --user --man=no verify "+userUnits+"/"+unit+" 2>&1"); got != "" {
		g.Errorf("systemd says of %s: %s", unit, got)
	}
	return unit
}

// show is a property of a unit of alice's.
func (g guest) show(unit, property string) string {
	g.Helper()
	return strings.TrimSpace(g.must("alice", "systemctl --user show -P "+property+" "+unit))
}

// until waits for a script to succeed.
func (g guest) until(user, script string) {
	g.Helper()
	if r := g.run(user, "for i in $(seq 60); do { "+script+"; } && exit 0; sleep 0.5; done; exit 1"); r.Code != 0 {
		g.Fatalf("it never was so: %s\n%s%s", script, r.Stdout, r.Stderr)
	}
}

// A unit that makes its own container: systemd hears when it runs, watches its
// supervisor, has all of it in its cgroup, restarts it and ends it well.
func TestGeneratedUnitMakesItsContainer(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	g.must("alice", "burrow create --name svc --network=none -e 'A=b $HOME %n' "+busybox+
		` sh -c 'trap "exit 0" TERM; echo "$1|$2|$A"; while :; do sleep 0.2; done' sh '50% "q" \' '$$ ;' && burrow start svc`)
	want := g.must("alice", "for i in $(seq 20); do burrow logs svc | grep . && break; sleep 0.5; done; burrow stop -t 0 svc >/dev/null")
	unit := g.service("svc", "--new --stop-timeout 1 --restart-policy on-failure --restart-sec 0")
	g.must("alice", "burrow rm svc; systemctl --user start "+unit)
	if got := g.must("alice", "systemctl --user is-active "+unit+"; burrow ps --format '{{.Names}} {{.State}}'"); got != "active\nsvc running\n" {
		t.Errorf("after start: %q", got)
	}
	g.until("alice", "burrow logs svc | grep -q .")
	if got := g.must("alice", "burrow logs svc"); got != want || !strings.HasPrefix(got, `50% "q" \|$$ ;|b $HOME %n`) {
		t.Errorf("systemd made of its arguments %q, want %q", got, want)
	}
	main := g.show(unit, "MainPID")
	pid := strings.TrimSpace(g.must("alice", "burrow inspect -f '{{.State.Pid}}' svc"))
	if got := strings.TrimSpace(g.must("root", "cut -d' ' -f4 /proc/"+pid+"/stat")); got != main {
		t.Errorf("systemd watches %s, the container's parent is %s", main, got)
	}
	own := userManager + "/app.slice/" + unit
	for _, p := range []string{main, pid} {
		if got := g.must("root", "cut -d: -f3 /proc/"+p+"/cgroup"); !strings.HasPrefix(got, own+"/") {
			t.Errorf("process %s is in %s, not below the unit", p, got)
		}
	}
	// A failure is one of the service's.
	g.must("root", "kill -KILL "+pid)
	g.until("alice", "[ $(systemctl --user show -P NRestarts "+unit+") = 1 ] && systemctl --user is-active -q "+unit)
	// So is the loss of its supervisor: nothing of the old container is left.
	g.must("root", "kill -KILL "+g.show(unit, "MainPID"))
	g.until("alice", "[ $(systemctl --user show -P NRestarts "+unit+") = 2 ] && systemctl --user is-active -q "+unit)
	if got := g.must("alice", "burrow ps -aq | wc -l"); got != "1\n" {
		t.Errorf("%s containers", got)
	}
	g.must("alice", "systemctl --user stop "+unit)
	if got := g.must("alice", "systemctl --user is-active "+unit+"; systemctl --user show -P Result "+unit+"; burrow ps -aq"); got != "inactive\nsuccess\n" {
		t.Errorf("after stop: %q", got)
	}
}

// A unit of a container that is there leaves it there.
func TestGeneratedUnitOfAContainer(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	g.must("alice", "burrow create --name old --network=none "+busybox+` sh -c 'trap "exit 0" TERM; while :; do sleep 0.2; done'`)
	unit := g.service("old", "")
	g.must("alice", "systemctl --user start "+unit)
	if got := g.show(unit, "ActiveState") + g.must("alice", "burrow ps --format ' {{.Names}}'"); got != "active old\n" {
		t.Errorf("%q", got)
	}
	g.must("alice", "systemctl --user stop "+unit)
	if got := g.show(unit, "Result") + g.must("alice", "burrow ps -a --format ' {{.Names}} {{.State}}'"); got != "success old exited\n" {
		t.Errorf("after stop: %q", got)
	}
	// It runs already, and not as the unit's.
	g.must("alice", "burrow start old")
	if r := g.run("alice", "systemctl --user start "+unit); r.Code == 0 {
		t.Errorf("the unit claims a container that is not its own: %+v", r)
	}
	if got := g.must("root", "journalctl -q _UID=1000 -n 30 -o cat"); !strings.Contains(got, "container is running") {
		t.Errorf("the journal does not say why: %s", got)
	}
}

// A unit is ready when its payload says so, in the words of the payload; also one
// that is not delegated.
func TestPayloadSaysReady(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	t.Cleanup(func() { g.run("alice", "systemctl --user stop says; systemctl --user reset-failed says") })
	g.must("alice", "rm -rf ~/says; mkdir ~/says; systemd-run --user -q --no-block --unit=says -p Type=notify -p NotifyAccess=all burrow run -d --rm --name says --network=none -v ~/says:/go "+
		`host sh -c 'systemd-notify --status=loading; until [ -e /go/now ]; do sleep 0.2; done; systemd-notify --ready --status=serving; exec sleep 1000'`)
	g.until("alice", "[ \"$(systemctl --user show -P StatusText says)\" = loading ]")
	if got := g.show("says", "ActiveState"); got != "activating" {
		t.Errorf("%s before the payload is ready", got)
	}
	g.must("alice", "touch ~/says/now")
	g.until("alice", "[ \"$(systemctl --user show -P ActiveState says) $(systemctl --user show -P StatusText says)\" = 'active serving' ]")
	g.must("alice", "rm -rf ~/says; burrow rm -f says")
	g.until("alice", "! systemctl --user is-active -q says")
}

const actService = `[Service]
Type=notify
NotifyAccess=all
Delegate=yes
ExecStart=burrow run -d --rm --name act --network=none --sdnotify=conmon host perl -MIO::Socket::UNIX -e '$$s=IO::Socket::UNIX->new_from_fd(3,"r+"); while($$c=$$s->accept){print $$c "I am $$$$ of $$ENV{LISTEN_PID}, $$ENV{LISTEN_FDS} $$ENV{LISTEN_FDNAMES}\\n"; close $$c}'
ExecStop=burrow stop -t 0 --ignore act
`

// The socket is systemd's, the container comes with the first connection.
func TestSocketActivation(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	t.Cleanup(func() {
		g.run("alice", "systemctl --user stop act.socket act.service; rm -f "+userUnits+"/act.*; systemctl --user daemon-reload")
	})
	g.must("alice", "mkdir -p "+userUnits+" && cd "+userUnits+" && cat >act.service <<'EOF'\n"+actService+"EOF\n"+
		`printf '[Socket]\nListenStream=%%t/act.sock\nFileDescriptorName=web\n' >act.socket
		systemctl --user daemon-reload && systemctl --user start act.socket`)
	if got := g.must("alice", "burrow ps -aq"); got != "" {
		t.Errorf("there is a container before anybody asks: %s", got)
	}
	const ask = `perl -MIO::Socket::UNIX -e '$s=IO::Socket::UNIX->new(Peer=>"$ENV{XDG_RUNTIME_DIR}/act.sock"); print <$s>'`
	if got := g.must("alice", ask+"; "+ask); got != strings.Repeat("I am 1 of 1, 1 web\n", 2) {
		t.Errorf("answer %q", got)
	}
	g.must("alice", "systemctl --user stop act.service; systemctl --user reset-failed act.service; true")
	if got := g.must("alice", ask); got != "I am 1 of 1, 1 web\n" {
		t.Errorf("answer of a new container %q", got)
	}
}

// systemd itself is the first process, of the host image: it makes its cgroups, runs
// services, and halts when it is asked to.
func TestSystemdInAContainer(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	t.Cleanup(func() { g.run("alice", "burrow rm -f sd") })
	g.must("alice", "burrow run -d --name sd --network=none host /lib/systemd/systemd --unit=basic.target")
	g.until("alice", "burrow exec sd systemctl is-active basic.target")
	got := g.must("alice", "burrow exec sd sh -c 'cat /proc/1/comm; cut -d: -f3 /proc/1/cgroup; systemd-run -q -P cut -d: -f3 /proc/self/cgroup; systemd-detect-virt -c; cat /run/machine-id /etc/machine-id 2>/dev/null | head -1'")
	if !strings.HasPrefix(got, "systemd\n/init.scope\n/system.slice/run-") || !strings.Contains(got, "container-other\n") {
		t.Errorf("in the container: %q", got)
	}
	g.must("alice", "burrow stop -t 60 sd")
	if got := g.must("alice", "burrow inspect -f '{{.State.ExitCode}} {{.Config.StopSignal}} {{.Config.SystemdMode}}' sd; burrow logs sd | tail -3"); !strings.HasPrefix(got, "0 SIGRTMIN+3 true\n") {
		t.Errorf("after the stop: %q", got)
	}
}

// After a boot the containers of a user who lingers are back, but for those that
// their user has stopped. Nobody has logged in for that, and nobody has enabled it.
func TestContainersComeBackAfterAReboot(t *testing.T) {
	g := enterWithBurrow(t)
	g.leavesNothing()
	const unit = "burrow-restart.service"
	t.Cleanup(func() {
		g.run("alice", "burrow rm -f -a; systemctl --user disable --now "+unit+"; rm -f ~/.local/state/burrow/said-restart")
		g.run("root", "rm -f /etc/systemd/user/"+unit)
	})
	g.installUserUnit(unit)
	const loop = " " + busybox + " sh -c 'while :; do sleep 0.2; done'"
	r := g.run("alice", "burrow run -d --name always --network=none --restart always"+loop)
	if r.Code != 0 || r.Stderr != "" {
		t.Errorf("the first container with a restart policy: %+v", r)
	}
	if got := g.must("alice", "systemctl --user is-enabled "+unit); got != "enabled\n" {
		t.Errorf("%s is %q", unit, got)
	}
	g.must("alice", "burrow run -d --name unless --network=none --restart unless-stopped"+loop+
		" && burrow run -d --name stopped --network=none --restart unless-stopped"+loop+" && burrow stop -t 0 stopped"+
		" && burrow run -d --name failure --network=none --restart on-failure"+loop+" && burrow run -d --name plain --network=none"+loop)
	g.reboot()
	// As root, so that no login of alice's starts anything.
	g.until("root", "[ $(ps -u alice -o args | grep -c '[s]h -c while') = 2 ]")
	const list = "burrow ps -a --format '{{.Names}} {{.State}}' | sort"
	const back = "always running\nfailure exited\nplain exited\nstopped exited\nunless running\n"
	if got := g.must("alice", list); got != back {
		t.Errorf("after the boot:\n%swant\n%s", got, back)
	}
	g.must("alice", "burrow exec always true && burrow start plain && burrow stop -t 0 plain")
	// The end of the session by way of the unit is no wish that they stay down.
	g.must("alice", "systemctl --user stop "+unit)
	if got := g.must("alice", "burrow ps -q"); got != "" {
		t.Errorf("runs after the unit's stop: %s", got)
	}
	g.must("alice", "systemctl --user start "+unit)
	if got := g.must("alice", list); got != back {
		t.Errorf("after stop and start of the unit:\n%swant\n%s", got, back)
	}
}

// installUserUnit does for a unit of contrib what `make install` does.
func (g guest) installUserUnit(unit string) {
	g.Helper()
	g.must("root", "sed s#@BINDIR@#/usr/local/bin# /mnt/payload/contrib/systemd/user/"+unit+" >/etc/systemd/user/"+unit)
	if got := g.must("alice", "systemd-analyze --user --man=no verify /etc/systemd/user/"+unit+" 2>&1"); got != "" {
		g.Errorf("systemd says of %s: %s", unit, got)
	}
}

// Who does not linger is told so, once.
func TestLingeringIsExplainedOnce(t *testing.T) {
	g := enterWithBurrow(t)
	const unit = "burrow-restart.service"
	t.Cleanup(func() {
		g.run("bob", "burrow rm -f -a; systemctl --user disable "+unit+"; rm -f ~/.local/state/burrow/said-restart; burrow system migrate")
		g.run("root", "rm -f /etc/systemd/user/"+unit)
	})
	const create = "burrow create --userns=single --network=none --restart unless-stopped host true"
	r := g.run("bob", create)
	if r.Code != 0 || !strings.Contains(r.Stderr, "burrow: warning: containers with --restart do not come back") || !strings.Contains(r.Stderr, "\nhint: install "+unit) {
		t.Errorf("without the unit: %+v", r)
	}
	g.installUserUnit(unit)
	g.must("bob", "rm ~/.local/state/burrow/said-restart")
	r = g.run("bob", create)
	if r.Code != 0 || !strings.Contains(r.Stderr, "lingering is not enabled\nhint: loginctl enable-linger\n") {
		t.Errorf("without lingering: %+v", r)
	}
	if r = g.run("bob", create); r.Code != 0 || r.Stderr != "" {
		t.Errorf("the second time: %+v", r)
	}
	if got := g.must("bob", "systemctl --user is-enabled "+unit); got != "enabled\n" {
		t.Errorf("%s is %q", unit, got)
	}
}

// A confined payload can tell its supervisor, and use the sockets it is handed.
func TestSELinuxLetsServicesServe(t *testing.T) {
	g := enterConfined(t)
	g.leavesNothing()
	g.image("alice", debian)
	t.Cleanup(func() { g.run("alice", "systemctl --user stop sel.socket sel; systemctl --user reset-failed sel") })
	const server = `use Socket; socket(N,AF_UNIX,SOCK_DGRAM,0); send(N,"READY=1",0,pack_sockaddr_un($ENV{NOTIFY_SOCKET})) or die "send: $!";
		open(L,"+<&=3") or die "fd 3: $!"; accept(C,L) or die "accept: $!"; open(F,"/proc/self/attr/current"); syswrite(C,<F>) or die "write: $!"; sleep 1000`
	g.must("alice", "cat >~/sel.pl <<'EOF'\n"+server+"\nEOF\nsystemd-run --user -q --unit=sel -p Type=notify -p NotifyAccess=all --socket-property=ListenStream=/run/user/1000/sel.sock "+
		"sh -c 'exec burrow run --rm --name sel --network=none "+debian+" perl -e \"$(cat ~/sel.pl)\"'")
	const ask = `perl -MIO::Socket::UNIX -e 'alarm 60; $s=IO::Socket::UNIX->new(Peer=>"/run/user/1000/sel.sock"); sysread $s,$x,99; print $x'`
	if got := g.must("alice", ask+"; echo; systemctl --user is-active sel.service; rm ~/sel.pl"); !strings.Contains(got, ":container_t:") || !strings.HasSuffix(got, "\nactive\n") {
		t.Errorf("%q", got)
	}
}
