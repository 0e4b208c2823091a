package engine

import (
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/burrow-run/burrow/engine/ctrlog"
	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/slirp"
)

// filled is a settled without a zero value.
func filled(t *testing.T) settled {
	t.Helper()
	open := func(name string) *os.File {
		f, err := os.Create(filepath.Join(t.TempDir(), name))
		must(t, err)
		_, err = f.WriteString(name)
		must(t, err)
		return f
	}
	s := settled{
		id: "id", name: "name", pid: 7, start: 1 << 60, timeout: time.Hour, remove: true, restart: spec.RestartAlways, removeImg: true,
		pidFile: "/pid file\x00\n", log: ctrlog.Options{Format: ctrlog.K8sFile, MaxSize: 1 << 40, MaxFile: 3}, logPath: "log",
		strides: []uint32{1, 1<<32 - 1}, mounts: "mnt:[1]", reclaim: true, ready: true,
		network: slirp.Handover{Helper: 9, Address: "a", Address6: "b", Gateway: "c", Ports: []slirp.HeldPort{{Protocol: slirp.UDP, To: 53, Socket: open("socket")}}},
		held:    []*os.File{open("held1"), open("held2")},
	}
	for name, f := range filesOf(&s) {
		*f = open(name)
	}
	return s
}

// filesOf are those that are one each.
func filesOf(s *settled) map[string]**os.File {
	return map[string]**os.File{
		"logFile": &s.logFile, "listener": &s.listener, "client": &s.client, "stdin": &s.stdin, "stdout": &s.stdout, "stderr": &s.stderr,
		"console": &s.console, "hold": &s.hold, "slice": &s.slice, "cgroup": &s.cgroup, "leaf": &s.leaf, "pin": &s.pin,
		"words": &s.network.Words, "keep": &s.network.Keep, "netns": &s.network.Netns,
	}
}

// All that a start hands over arrives: also what is added to settled and forgotten in
// exchange would be missed here.
func TestHandover(t *testing.T) {
	s := filled(t)
	for v, i := reflect.ValueOf(s), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("%s is not tested", v.Type().Field(i).Name)
		}
	}
	sending := &handover{}
	s.exchange(sending)
	state, err := sending.send()
	must(t, err)
	receiving, err := receive(state)
	must(t, err)
	whole := receiving.text
	var got settled
	if got.exchange(receiving); receiving.err != nil || len(receiving.text) != 0 {
		t.Fatalf("%v, %q is left", receiving.err, receiving.text)
	}
	both := []settled{s, got}
	for i := range both {
		both[i].network.Ports = slices.Clone(both[i].network.Ports)
	}
	sameFD = append(sameFD, both...)
	for name, f := range filesOf(&got) {
		if text := content(t, *f); text != name || (*f).Name() != (*filesOf(&s)[name]).Name() {
			t.Errorf("%s is %q, with the name %s", name, text, (*f).Name())
		}
		*f = nil
	}
	for i, f := range append(got.held, got.network.Ports[0].Socket) {
		if text := content(t, f); text != []string{"held1", "held2", "socket"}[i] {
			t.Errorf("%d is %q", i, text)
		}
	}
	for _, f := range filesOf(&s) {
		*f = nil
	}
	got.held, s.held, got.network.Ports[0].Socket, s.network.Ports[0].Socket = nil, nil, nil, nil
	if !reflect.DeepEqual(got, s) {
		t.Errorf("got  %+v\nwant %+v", got, s)
	}
	// Whatever is cut off is missed.
	for n := range whole {
		cut := &handover{reading: true, text: whole[:n]}
		var part settled
		if part.exchange(cut); cut.err == nil {
			t.Errorf("%d of %d bytes are enough", n, len(whole))
		}
		sameFD = append(sameFD, part)
	}
}

// sameFD are files that share their descriptors, of which none may be closed: it could be
// another's by then. So they are never forgotten.
var sameFD []settled

func content(t *testing.T, f *os.File) string {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 100))
	must(t, err)
	return string(b)
}

// A supervisor that cannot read its record any more writes none that says less: how the
// container ended is in a place of its own.
func TestRecordIsLostMeanwhile(t *testing.T) {
	d := testDirs(t)
	testImage(t, d, nil)
	s := shell("read x; exit 4")
	s.Stdio.Interactive, s.Remove, s.Name = true, false, "lost"
	rec := created(t, d, s)
	child, rec := supervisingAs(t, d, rec, "done")
	conn, err := Attach(d, rec)
	must(t, err)
	defer conn.Close()
	path := filepath.Join(rec.dir, recordFile)
	whole := readFile(t, path)
	must(t, os.WriteFile(path, []byte("{"), 0o600))
	must(t, writeFrame(conn, frameInput, []byte("\n")))
	if res := child.wait(t); res.Exit.Code() != 4 || !res.Settled {
		t.Errorf("%+v", res)
	}
	if text := readFile(t, path); text != "{" {
		t.Errorf("written over: %s", text)
	}
	must(t, os.WriteFile(path, []byte(whole), 0o600))
	if rec, err := Lookup(d, "lost"); err != nil || !rec.Exited || rec.ExitCode != 4 || !strings.Contains(rec.Name, "lost") {
		t.Errorf("%+v %v", rec, err)
	}
}
