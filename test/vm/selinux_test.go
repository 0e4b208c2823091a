package vm_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/burrow-run/burrow/test/vm"
)

// Debian's reference policy has no container_t; the module of the sources provides it.
const module = "/mnt/payload/selinux/burrow_container.cil"

// policy sees to it that the module is loaded, or not: semodule needs half a minute
// on an emulated processor, so the tests that want it the same way share that.
func (g guest) policy(loaded bool) {
	g.Helper()
	const list = "semodule -l | grep -qx burrow_container"
	if (g.run("root", list).Code == 0) == loaded {
		return
	}
	change := "semodule -r burrow_container"
	if loaded {
		change = "test -e " + module + " && semodule -i " + module
	}
	r := g.within(4*time.Minute, func(ctx context.Context) (vm.Result, error) {
		return g.machine.Run(ctx, "root", change)
	})
	g.ok(change, r)
}

// enterConfined is enterWithBurrow with the module loaded and SELinux enforcing.
func enterConfined(t *testing.T) guest {
	t.Helper()
	g := enterWithBurrow(t)
	g.policy(true)
	g.enforcing()
	return g
}

// A container that cannot be labelled does not start.
func TestSELinuxRefusesWithoutThePolicy(t *testing.T) {
	g := enterWithBurrow(t)
	g.policy(false)
	g.enforcing()
	g.leavesNothing()
	g.refused(g.run("alice", "burrow run --rm --network=none "+busybox+" true"), "container_t", "semodule")
	r := g.run("alice", "burrow run --rm --network=none --security-opt label=disable "+busybox+" cat /proc/self/attr/current")
	if r.Code != 0 || !strings.Contains(r.Stdout, "unconfined_t") {
		t.Errorf("label=disable: %+v", r)
	}
}

var (
	processLabel = regexp.MustCompile(`^[a-z_]+:[a-z_]+:container_t:(s0:c\d+,c\d+)$`)
	fileLabel    = regexp.MustCompile(`^[a-z_]+:object_r:container_file_t:(s0:c\d+,c\d+)$`)
)

func level(t testing.TB, re *regexp.Regexp, label string) string {
	t.Helper()
	m := re.FindStringSubmatch(label)
	if m == nil {
		t.Errorf("label %q does not match %s", label, re)
		return ""
	}
	return m[1]
}

func TestSELinuxLabels(t *testing.T) {
	g := enterConfined(t)
	g.leavesNothing()
	a := g.start("alice", busybox+" sh -c 'echo mine >/file; sleep 1010'")
	b := g.start("alice", busybox+" sleep 1011")
	of := func(c container) string {
		t.Helper()
		l := level(t, processLabel, g.proc(c, "attr/current"))
		for _, path := range []string{"/etc/passwd", "/", "/dev/shm", "/etc/resolv.conf", "/etc/hosts"} {
			if got := g.inside(c, "stat -c %C", path); level(t, fileLabel, got) != l {
				t.Errorf("%s is %s, the process has level %s", path, got, l)
			}
		}
		return l
	}
	if of(a) == of(b) {
		t.Error("two containers have one level")
	}
	if got := g.inside(a, "stat -c %C", "/file"); level(t, fileLabel, got) != level(t, processLabel, g.proc(a, "attr/current")) {
		t.Errorf("what the container wrote is %s", got)
	}
}

// volume makes a directory of alice's with a file in it that everybody may read.
func (g guest) volume(name string) string {
	g.Helper()
	dir := "/home/alice/" + name
	g.must("alice", "rm -rf "+dir+" && mkdir -p "+dir+" && echo secret >"+dir+"/file && /usr/sbin/restorecon -R "+dir)
	g.Cleanup(func() { g.run("root", "rm -rf "+dir) })
	return dir
}

// Equal UIDs: container root is alice in both, so only SELinux keeps them apart.
func TestSELinuxKeepsContainersApart(t *testing.T) {
	g := enterConfined(t)
	dir := g.volume("private")
	a := g.start("alice", "-v "+dir+":/v:Z "+busybox+" sh -c 'cat /v/file >/v/copy; sleep 1012'")
	if got := g.must("alice", "cat "+dir+"/copy"); got != "secret\n" {
		t.Errorf("the owner of :Z read %q", got)
	}
	if got := strings.TrimSpace(g.must("root", "stat -c %C "+dir+"/file")); level(t, fileLabel, got) != level(t, processLabel, g.proc(a, "attr/current")) {
		t.Errorf(":Z labelled the file %s", got)
	}
	const try = " sh -c 'id -u; cat /v/file; echo over >/v/file'"
	r := g.run("alice", "burrow run --rm --network=none -v "+dir+":/v "+busybox+try)
	if r.Code == 0 || r.Stdout != "0\n" || !strings.Contains(r.Stderr, "Permission denied") {
		t.Errorf("another container with the same UID: %+v", r)
	}
	g.must("root", "setenforce 0")
	r = g.run("alice", "burrow run --rm --network=none -v "+dir+":/v "+busybox+try)
	g.must("root", "setenforce 1")
	if r.Code != 0 { // so it was not the file's mode that forbade it
		t.Errorf("another container, permissive: %+v", r)
	}
}

func TestSELinuxSharedVolume(t *testing.T) {
	g := enterConfined(t)
	dir := g.volume("shared")
	r := g.run("alice", "burrow run --rm --network=none -v "+dir+":/v "+busybox+" cat /v/file")
	if r.Code == 0 {
		t.Errorf("a home directory's file without :z: %+v", r)
	}
	for range 2 {
		got := g.must("alice", "burrow run --rm --network=none -v "+dir+":/v:z "+busybox+" sh -c 'cat /v/file && echo again >/v/new'")
		if got != "secret\n" {
			t.Errorf("with :z: %q", got)
		}
	}
	if got := strings.TrimSpace(g.must("root", "stat -c %C "+dir+"/file")); !strings.HasSuffix(got, ":container_file_t:s0") {
		t.Errorf(":z labelled the file %s", got)
	}
	// A volume of burrow's own needs no option.
	for range 2 {
		if got := g.must("alice", "burrow run --rm --network=none -v named:/v "+busybox+" sh -c 'echo x >>/v/f; cat /v/f'"); !strings.HasPrefix(got, "x\n") {
			t.Errorf("named volume: %q", got)
		}
	}
	g.must("alice", "burrow volume rm named")
	for _, path := range []string{"/home/alice", "/etc", "/"} {
		g.refused(g.run("alice", "burrow run --rm --network=none -v "+path+":/v:Z "+busybox+" true"), path, "")
	}
	if got := g.must("root", "stat -c %C /home/alice /etc"); strings.Contains(got, "container_file_t") {
		t.Errorf("relabelled: %s", got)
	}
}

// The kernel clears the parent's death signal when an exec changes the domain, so
// here something else has to end the container of a killed supervisor.
func TestSELinuxKilledRunTakesItsContainerAlong(t *testing.T) {
	g := enterConfined(t)
	g.killedRunTakesItsContainerAlong()
}

// The policy has to allow what containers do all day, without a denial.
func TestSELinuxLetsContainersWork(t *testing.T) {
	g := enterConfined(t)
	g.image("alice", debian)
	since := strings.TrimSpace(g.must("root", "date +%s"))
	r := g.run("alice", "burrow run --rm "+debian+` sh -ec '
		useradd -m worker; su worker -c "cd; mkdir a; echo b >a/c; ln -s a d; mv a e; rm -r e; mkfifo p; id"
		chown -R worker:worker /home/worker; chmod 4755 /home/worker; touch /tmp/x /dev/shm/y /root/z
		dpkg -l >/dev/null; perl -e "print qq(perl\n)"; apt-get --version >/dev/null
		cat /proc/meminfo /proc/self/mountinfo /etc/resolv.conf /sys/fs/cgroup/memory.stat >/dev/null; ls -lR /usr/share/doc >/dev/null
		perl -MIO::Socket::INET -e "\$s=IO::Socket::INET->new(Listen=>1,LocalPort=>80) or die; \$c=IO::Socket::INET->new(q(127.0.0.1:80)) or die; print qq(net\n)"
		kill -0 1; sh -c "kill -9 \$\$" || echo done'`)
	if r.Code != 0 || !strings.HasSuffix(r.Stdout, "done\n") {
		t.Errorf("%+v", r)
	}
	if got := g.denials(since); strings.Contains(got, "container") {
		t.Errorf("denied:\n%s", got)
	}
	// With a terminal, and the helpers of a published port.
	r = g.within(time.Minute, func(ctx context.Context) (vm.Result, error) {
		return g.machine.Login(ctx, "alice", "burrow run --rm -t -p 8080:80 "+busybox+" sh -c 'tty; echo x >/dev/tty; stty size'", true)
	})
	if r.Code != 0 || !strings.Contains(r.Stdout, "/dev/pts/0") {
		t.Errorf("with a terminal: %+v", r)
	}
	if got := g.denials(since); strings.Contains(got, "container") {
		t.Errorf("denied with a terminal:\n%s", got)
	}
}

// Standard streams are what the shell opened: files of the user's, pipes, nothing.
func TestSELinuxStandardStreams(t *testing.T) {
	g := enterConfined(t)
	run := "burrow run --rm -i --network=none " + busybox
	got := g.must("alice", "cd; echo in >in.txt; "+run+" sh -c 'cat; echo err >&2' <in.txt >out.txt 2>/tmp/err.txt; cat out.txt /tmp/err.txt; rm -f in.txt out.txt /tmp/err.txt")
	if got != "in\nerr\n" {
		t.Errorf("files: %q", got)
	}
	if got := g.must("alice", "echo piped | "+run+" cat | cat"); got != "piped\n" {
		t.Errorf("pipes: %q", got)
	}
	g.must("alice", "systemd-run --user --wait -q -u streams "+run+" echo to the journal")
	got = g.must("root", "journalctl --sync; journalctl _TRANSPORT=stdout -n 100 -o cat --no-pager")
	if !strings.Contains(got, "to the journal\n") {
		t.Errorf("the journal: %q", got)
	}
}

// Jobs that no login began: a service of the system's with the user's name, cron.
func TestSELinuxFromServices(t *testing.T) {
	g := enterConfined(t)
	g.must("alice", "cat >/tmp/service.sh <<'EOF'\nburrow run --rm --network=none "+busybox+" cat /proc/self/attr/current\nEOF\n")
	for _, command := range []string{"sh /tmp/service.sh", "burrow run --rm --network=none " + busybox + " cat /proc/self/attr/current"} {
		got := g.must("root", "systemd-run --uid=alice -P -q "+command)
		level(t, processLabel, strings.Trim(got, "\n\x00"))
	}
}

func TestSELinuxOptions(t *testing.T) {
	g := enterConfined(t)
	run := "burrow run --rm --network=none "
	const show = " cat /proc/self/attr/current"
	if got := g.must("alice", run+"--security-opt label=disable "+busybox+show); !strings.Contains(got, ":unconfined_t:") {
		t.Errorf("label=disable: %s", got)
	}
	if got := g.must("alice", run+"--security-opt label=level:s0:c7,c9 "+busybox+show); !strings.HasSuffix(strings.Trim(got, "\n\x00"), ":container_t:s0:c7,c9") {
		t.Errorf("label=level: %s", got)
	}
	g.refused(g.run("alice", run+"--security-opt label=type:no_such_t "+busybox+" true"), "no_such_t", "")
}
