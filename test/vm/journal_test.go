package vm_test

import (
	"fmt"
	"strings"
	"testing"
)

// inJournal starts a container of alice's that logs to the journal.
func (g guest) inJournal(name, flags, script string) {
	g.Helper()
	g.Cleanup(func() { g.run("alice", "burrow rm -f "+name) })
	g.must("alice", fmt.Sprintf("burrow run -d --name %s --network=none --log-driver=journald %s %s sh -c '%s'", name, flags, busybox, script))
}

// persistentJournal gives each user a journal of his own, which he may read: only
// one on disk is split.
func (g guest) persistentJournal() {
	g.Helper()
	g.must("root", `mkdir -p /var/log/journal /run/systemd/journald.conf.d
		printf '[Journal]\nStorage=persistent\nRateLimitBurst=0\n' >/run/systemd/journald.conf.d/zz-test.conf
		systemctl restart systemd-journald && journalctl --flush && ls /var/log/journal/*/system.journal`)
}

// Before the others: theirs is a journal that alice may read.
func TestJournalThatMayNotBeReadIsSaid(t *testing.T) {
	g := enterWithBurrow(t)
	g.must("root", "rm -rf /var/log/journal /run/systemd/journald.conf.d; systemctl restart systemd-journald")
	g.inJournal("unread", "", "echo one")
	r := g.run("alice", "burrow logs unread")
	if r.Code != 125 || !strings.Contains(r.Stderr, "insufficient permissions") || !strings.Contains(r.Stderr, "hint: as root: usermod -aG systemd-journal") {
		t.Errorf("%+v", r)
	}
}

func TestJournalHasTheLog(t *testing.T) {
	g := enterWithBurrow(t)
	g.persistentJournal()
	// Two streams are two pipes: what comes at once may be noted in either order.
	g.inJournal("logs", "", `echo one; echo two >&2; sleep 1; printf "a\000b"; printf "\nthree\n"`)
	g.must("alice", "burrow wait logs")
	if got := g.must("alice", "burrow logs -f logs 2>/dev/null | od -c | head -20"); !strings.Contains(got, `o   n   e  \n   a  \0   b  \n   t   h   r   e   e  \n`) {
		t.Errorf("stdout: %s", got)
	}
	if got := g.must("alice", "burrow logs logs 2>&1 >/dev/null"); got != "two\n" {
		t.Errorf("stderr: %q", got)
	}
	if got := g.must("alice", "burrow logs --tail 1 logs"); got != "three\n" {
		t.Errorf("--tail 1: %q", got)
	}
	if got := g.must("alice", "burrow logs -t --tail 1 logs"); !strings.HasSuffix(got, " three\n") || !strings.HasPrefix(got, "20") {
		t.Errorf("-t: %q", got)
	}
	if got := g.must("alice", "burrow logs --since 2035-01-01 logs; burrow logs --until 2001-01-01 logs"); got != "" {
		t.Errorf("out of the bounds: %q", got)
	}
	// The fields that other programs ask for.
	got := g.must("root", "journalctl --sync; journalctl -o verbose --no-pager CONTAINER_NAME=logs _UID=1000")
	for _, want := range []string{"PRIORITY=6", "PRIORITY=3", "CONTAINER_ID_FULL=", "SYSLOG_IDENTIFIER=logs", "MESSAGE=one", "_AUDIT_LOGINUID=1000"} {
		if !strings.Contains(got, want) {
			t.Errorf("the journal lacks %s:\n%s", want, got)
		}
	}
}

func TestJournalIsFollowed(t *testing.T) {
	g := enterWithBurrow(t)
	g.persistentJournal()
	g.inJournal("followed", "--log-opt tag={{.Name}}-{{.ImageName}}", `for i in 1 2 3 4 5; do echo line $i; sleep 1; done`)
	got := g.must("alice", "timeout 60 burrow logs -f followed")
	if got != "line 1\nline 2\nline 3\nline 4\nline 5\n" {
		t.Errorf("followed: %q", got)
	}
	if got := g.must("root", "journalctl -q --no-pager -o cat -t followed-localhost/busybox:latest | wc -l"); strings.TrimSpace(got) != "5" {
		t.Errorf("lines by the tag: %s", got)
	}
	// The second life's lines come too, although the first one's end is in the journal.
	if got := g.must("alice", "burrow start followed >/dev/null; timeout 60 burrow logs -f --tail 0 followed | tail -1"); got != "line 5\n" {
		t.Errorf("followed again: %q", got)
	}
}

// More lines than the socket's queue takes.
func TestJournalLosesNothing(t *testing.T) {
	g := enterWithBurrow(t)
	g.persistentJournal()
	g.inJournal("many", "", `i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; head -c 100000 /dev/zero | tr "\0" x`)
	got := g.must("alice", "timeout 120 burrow logs -f many | sha256sum; burrow logs many | wc -lc | tr -s ' ' | sed 's/^/ /;s/^  */ /'")
	want := g.must("alice", `{ seq 0 2999 | sed "s/^/line /"; head -c 100000 /dev/zero | tr "\0" x; } | { tee /dev/fd/3 | sha256sum; } 3>/tmp/many; wc -lc </tmp/many | tr -s ' ' | sed 's/^/ /;s/^  */ /'`)
	if got != want {
		t.Errorf("read %q, want %q", got, want)
	}
}

func TestJournalHasTheTrail(t *testing.T) {
	g := enterWithBurrow(t)
	g.must("alice", "burrow run --rm --name trailed --network=none "+busybox+" true")
	got := g.must("root", "journalctl --sync; journalctl -q --no-pager -o verbose SYSLOG_IDENTIFIER=burrow BURROW_NAME=trailed _UID=1000")
	for _, want := range []string{"BURROW_EVENT=start", "BURROW_EVENT=died", "EXIT_CODE=0", "ARGV_SHA256=", "BURROW_PREV=", "_AUDIT_LOGINUID=1000"} {
		if !strings.Contains(got, want) {
			t.Errorf("the journal lacks %s:\n%s", want, got)
		}
	}
}

func TestNoJournalIsSaid(t *testing.T) {
	g := enterWithBurrow(t)
	g.must("root", "mv /run/systemd/journal/socket /run/systemd/journal/away")
	t.Cleanup(func() { g.run("root", "mv /run/systemd/journal/away /run/systemd/journal/socket") })
	r := g.run("alice", "burrow run --log-driver=journald --name nowhere "+busybox+" true")
	if r.Code != 125 || !strings.Contains(r.Stderr, "no journal on this host") || !strings.Contains(r.Stderr, "hint: the other drivers are k8s-file") {
		t.Errorf("without a journal: %+v", r)
	}
	if r := g.run("alice", "burrow container exists nowhere"); r.Code != 1 {
		t.Errorf("it was made: %+v", r)
	}
}
