package engine

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/burrow-run/burrow/engine/spec"
	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/hint"
	"github.com/burrow-run/burrow/security"
)

func TestRecordRoundTrip(t *testing.T) {
	d := testDirs(t)
	s := spec.Default()
	s.Labels, s.Args = map[string]string{"a": "b"}, []string{"x", "\xff"}
	rec := record(t, d, func(r *Record) {
		r.Spec, r.Security = s, security.Report{NoNewPrivileges: true}
		r.UIDMap = idmap.Map{{Container: 0, Host: 0, Count: 1}}
		r.Exited, r.ExitCode, r.Finished = true, 3, time.Now().UTC()
		r.Metadata = Metadata{User: "u", StopSignal: "SIGTERM"}
	})
	got, err := LoadRecord(rec.dir)
	must(t, err)
	if asJSON(t, got) != asJSON(t, rec) {
		t.Errorf("got %s\nwant %s", asJSON(t, got), asJSON(t, rec))
	}
	if !got.Security.NoNewPrivileges || got.Spec.Labels["a"] != "b" {
		t.Errorf("details are lost: %+v", got)
	}
	info, err := os.Stat(filepath.Join(rec.dir, recordFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	left, err := names(rec.dir)
	must(t, err)
	if len(left) != 2 {
		t.Errorf("temporary files stay: %v", left)
	}
}

func TestDamagedRecords(t *testing.T) {
	d := testDirs(t)
	other := record(t, d, nil)
	damage := map[string]func(dir, id string) error{
		"empty":    func(dir, _ string) error { return os.WriteFile(filepath.Join(dir, recordFile), nil, 0o600) },
		"not JSON": func(dir, _ string) error { return os.WriteFile(filepath.Join(dir, recordFile), []byte("\x00"), 0o600) },
		"newer": func(dir, id string) error {
			return os.WriteFile(filepath.Join(dir, recordFile), []byte(`{"version":99,"id":"`+id+`"}`), 0o600)
		},
		"other ID": func(dir, _ string) error {
			return os.WriteFile(filepath.Join(dir, recordFile), []byte(`{"version":1,"id":"../../.."}`), 0o600)
		},
		"half": func(dir, _ string) error { return os.Truncate(filepath.Join(dir, recordFile), 20) },
		"directory": func(dir, _ string) error {
			os.Remove(filepath.Join(dir, recordFile))
			return os.Mkdir(filepath.Join(dir, recordFile), 0o700)
		},
		"no details": func(dir, _ string) error { return os.Remove(filepath.Join(dir, detailsFile)) },
		"details":    func(dir, _ string) error { return os.WriteFile(filepath.Join(dir, detailsFile), []byte("["), 0o600) },
	}
	for name, do := range damage {
		t.Run(name, func(t *testing.T) {
			rec := record(t, d, nil)
			must(t, do(rec.dir, rec.ID))
			_, err := Lookup(d, rec.Name)
			if err == nil || errors.Is(err, ErrNoContainer) {
				t.Fatalf("looked up: %v", err)
			}
			if _, err := Remove(t.Context(), d, rec.Name, false); err == nil {
				t.Error("removed without force")
			}
			if name != "directory" && (!errors.Is(err, ErrDamaged) || hint.Of(err) == "" && name != "newer") {
				t.Errorf("%v, hint %q", err, hint.Of(err))
			}
			all, bad, err := List(d)
			if err != nil || !slices.ContainsFunc(all, func(r *Record) bool { return r.ID == other.ID }) {
				t.Errorf("%v hides the others: %v %v", bad, all, err)
			}
			if name != "directory" {
				if id, err := Remove(t.Context(), d, rec.Name, true); err != nil || id != rec.ID || exists(rec.dir) {
					t.Errorf("rm -f: %q %v", id, err)
				}
				if nameOwner(t, d, rec.Name) != "" {
					t.Error("its name stays")
				}
			}
			_ = os.RemoveAll(rec.dir)
		})
	}
	if !exists(other.dir) {
		t.Error("another container is gone")
	}
}

func TestLookup(t *testing.T) {
	d := testDirs(t)
	a := record(t, d, func(r *Record) { r.ID = "aa11" + r.ID[4:] })
	record(t, d, func(r *Record) { r.ID = "aa22" + r.ID[4:] })
	named := record(t, d, func(r *Record) { r.Name = "aa11" }) // a name wins over the beginning of an ID
	must(t, os.Mkdir(filepath.Join(d.Containers(), newID()), 0o700))
	for ref, want := range map[string]string{
		a.ID: a.ID, a.ID[:12]: a.ID, a.Name: a.ID, "aa11": named.ID,
		"aa": "", "": "", "a": "", "zz": "", "..": "", "../names": "", "/": "", "a\x00": "",
	} {
		rec, err := Lookup(d, ref)
		if rec.ID != want || (want == "") != (err != nil) {
			t.Errorf("%q: %q, %v", ref, rec.ID, err)
		}
		if want == "" && ref != "aa" && !errors.Is(err, ErrNoContainer) {
			t.Errorf("%q: %v", ref, err)
		}
	}
}

func TestListIsNewestFirst(t *testing.T) {
	d := testDirs(t)
	if all, bad, err := List(d); len(all)+len(bad) != 0 || err != nil {
		t.Error(all, bad, err)
	}
	now := time.Now().UTC()
	first := record(t, d, func(r *Record) { r.Created = now.Add(-time.Hour) })
	last := record(t, d, func(r *Record) { r.Created = now })
	must(t, os.Mkdir(filepath.Join(d.Containers(), newID()), 0o700)) // being made: neither there nor damaged
	all, bad, err := List(d)
	if err != nil || len(bad) != 0 || len(all) != 2 || all[0].ID != last.ID || all[1].ID != first.ID {
		t.Errorf("%v %v %v", all, bad, err)
	}
	must(t, os.RemoveAll(d.Containers()))
	if _, _, err := List(d); err != nil {
		t.Error(err)
	}
}

// A process is its pid, its start and its boot.
func TestRunning(t *testing.T) {
	boot, alive := thisBoot(t), someone(t)
	for name, c := range map[string]struct {
		rec                          Record
		running, abandoned, starting bool
	}{
		"runs":               {Record{BootID: boot, PID: alive.PID, Start: alive.Start, Owner: alive}, true, false, false},
		"pid used again":     {Record{BootID: boot, PID: alive.PID, Start: alive.Start + 1, Owner: alive}, false, false, false},
		"another boot":       {Record{BootID: "x", PID: alive.PID, Start: alive.Start, Owner: alive}, false, true, false},
		"not started yet":    {Record{BootID: boot, Owner: alive}, false, false, true},
		"died while started": {Record{BootID: boot, Owner: dead(t)}, false, true, false},
		"owner died":         {Record{BootID: boot, PID: alive.PID, Start: alive.Start, Owner: dead(t)}, true, false, false},
		"all died":           {Record{BootID: boot, PID: alive.PID, Start: alive.Start + 1, Owner: dead(t)}, false, true, false},
		"created":            {Record{BootID: boot, Owner: dead(t), Waits: true}, false, false, false},
		"ended":              {Record{BootID: boot, PID: alive.PID, Start: alive.Start, Exited: true, Owner: alive}, false, false, false},
	} {
		got := [3]bool{c.rec.Running(), c.rec.abandoned(), c.rec.starting()}
		if got != [3]bool{c.running, c.abandoned, c.starting} {
			t.Errorf("%s: running, abandoned, starting: %v", name, got)
		}
	}
	zombie := someone(t)
	must(t, sysKill(zombie.PID))
	waitFor(t, "the process to be a zombie", func() bool { return !zombie.Alive() })
	if (Record{BootID: boot, PID: zombie.PID, Start: zombie.Start}).Running() {
		t.Error("a zombie runs")
	}
}

func TestStartedAndEnded(t *testing.T) {
	d := testDirs(t)
	rec := record(t, d, func(r *Record) { r.PID, r.Start = 0, 0 })
	pidfile := filepath.Join(t.TempDir(), "pid")
	r := &run{dir: rec.dir, record: rec, kept: func() {}, opts: Options{Dirs: d}, spec: spec.Spec{PIDFile: pidfile}}
	p := someone(t)
	must(t, r.started(t.Context(), p.PID))
	got, err := LoadRecord(rec.dir)
	if err != nil || got.PID != p.PID || got.Start != p.Start || !got.Running() {
		t.Errorf("%+v %v", got, err)
	}
	if !exists(pidfile) {
		t.Error("no pid file")
	}
	must(t, os.Mkdir(filepath.Join(rec.dir, "work"), 0o700))
	r.ended(Exit{Status: 7 << 8, OOMKilled: true})
	r.cleanUp()
	got, err = LoadRecord(rec.dir)
	if err != nil || !got.Exited || got.ExitCode != 7 || !got.OOMKilled || got.Running() || exists(filepath.Join(rec.dir, "work")) {
		t.Errorf("%+v %v", got, err)
	}
	if exists(pidfile) {
		t.Error("the pid file stays")
	}
	if err := r.started(t.Context(), 1<<30); err == nil {
		t.Error("started a process that does not exist")
	}
	r.spec.PIDFile = "/proc/nosuch/pid"
	if err := r.started(t.Context(), p.PID); err == nil {
		t.Error("wrote a pid file where none can be")
	}
	must(t, os.RemoveAll(rec.dir))
	said := ""
	r.opts.Warn = func(s string) { said = s }
	r.ended(Exit{})
	contains(t, said, "not recorded")
}

func TestExitCode(t *testing.T) {
	for status, want := range map[uint32]int{0: 0, 3 << 8: 3, 9: 137, 15: 143, 0x8b: 139} {
		if got := (Exit{Status: syscall.WaitStatus(status)}).Code(); got != want {
			t.Errorf("%#x: %d, want %d", status, got, want)
		}
	}
}

func sysKill(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}

// waitFor polls, for what other processes do.
func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A container that is removed while its record is read was one, or none, but never damaged.
func TestLoadWhileRemoved(t *testing.T) {
	d := testDirs(t)
	for range 100 {
		rec := record(t, d, nil)
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			_ = removeClaimed(d, rec)
		}()
		for {
			_, err := LoadRecord(rec.dir)
			if errors.Is(err, os.ErrNotExist) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		<-gone
	}
}
