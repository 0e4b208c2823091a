package who

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/burrow-run/burrow/idmap"
	"github.com/burrow-run/burrow/internal/sys"
)

// level is one user namespace of a test, inside the one before it, and the ID
// that its process has there.
type level struct {
	IDs idmap.Map
	ID  uint32
	PID bool // a pid namespace too
}

const levelsEnv = "WHO_TEST_LEVELS"

// TestMain is also the program of each level: it starts the next one, says its
// pid, and waits.
func TestMain(m *testing.M) {
	text, ok := os.LookupEnv(levelsEnv)
	if !ok {
		os.Exit(m.Run())
	}
	var levels []level
	if err := json.Unmarshal([]byte(text), &levels); err != nil {
		panic(err)
	}
	if len(levels) > 0 {
		cmd := levelCommand(levels)
		cmd.Stdout = os.Stdout
		if err := cmd.Start(); err != nil {
			fmt.Println("error", err)
		} else {
			fmt.Println(cmd.Process.Pid)
		}
	}
	select {}
}

func levelCommand(levels []level) *exec.Cmd {
	rest, err := json.Marshal(levels[1:])
	if err != nil {
		panic(err)
	}
	var ids []syscall.SysProcIDMap
	for _, e := range levels[0].IDs {
		ids = append(ids, syscall.SysProcIDMap{ContainerID: int(e.Container), HostID: int(e.Host), Size: int(e.Count)})
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{levelsEnv + "=" + string(rest)}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids,
		Credential: &syscall.Credential{Uid: levels[0].ID, Gid: levels[0].ID, NoSetGroups: true},
	}
	if levels[0].PID {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWPID
	}
	return cmd
}

// startLevels starts a process in each level, and returns their pids.
func startLevels(t *testing.T, levels ...level) []int {
	t.Helper()
	cmd := levelCommand(levels)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skip("user namespaces are off:", err)
	}
	pids := []int{cmd.Process.Pid}
	t.Cleanup(func() {
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for len(pids) < len(levels) && lines.Scan() {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(lines.Text())
		}
		pids = append(pids, pid)
	}
	return pids
}

// scene is an anchor, a container in it, and who asks.
type scene struct {
	Sources
	container idmap.Map
	uid       uint32 // in the container
}

func newScene(t *testing.T) scene {
	t.Helper()
	self := uint32(os.Getuid())
	s := scene{Sources: Sources{User: idmap.User{Name: "tester", UID: self}, Containers: t.TempDir()}}
	if self != 0 { // one ID is all that we can map
		s.UIDs = idmap.Map{{Container: 0, Host: self, Count: 1}}
		s.GIDs = idmap.Map{{Container: 0, Host: uint32(os.Getgid()), Count: 1}}
		if s.UIDs[0] != s.GIDs[0] {
			t.Skip("this test wants a user whose UID and GID are the same")
		}
		s.container, s.uid = idmap.Map{{Container: 0, Host: 0, Count: 1}}, 0
		return s
	}
	// Where host root asks, it is not in the map.
	s.UIDs = idmap.Anchor(0, []idmap.Range{{Start: 3000000, Count: 5000}})
	s.GIDs = s.UIDs
	s.container, s.uid = idmap.Map{{Container: 0, Host: 0, Count: 1}, {Container: 1, Host: 1058, Count: 1023}}, 33
	return s
}

func (s scene) writeRecord(t *testing.T, id, name string, pid int) {
	t.Helper()
	proc, err := sys.ProcIDOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(s.Containers, id)
	text, err := json.Marshal(record{
		ID: id, Name: name, PID: pid, StartTime: proc.Start, BootID: bootID(), UIDMap: s.container, GIDMap: s.container,
	})
	if err := errors.Join(err, os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "record.json"), text, 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestPIDInContainer(t *testing.T) {
	s := newScene(t)
	pids := startLevels(t,
		level{IDs: s.UIDs},
		level{IDs: s.container, ID: s.uid},
		level{IDs: idmap.Map{{Container: 5, Host: s.uid, Count: 1}}, ID: 5}) // made in the container
	s.writeRecord(t, "c1", "web", pids[1])
	s.writeRecord(t, "c0", "stranger", os.Getpid())
	if err := os.MkdirAll(filepath.Join(s.Containers, "torn"), 0o700); err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T, pid, levels int) {
		t.Helper()
		a, err := s.PID(pid)
		if err != nil {
			t.Fatal(err)
		}
		if a.Evidence != ByNamespace || a.User.UID == nil || *a.User.UID != s.User.UID || len(a.Owners) != levels {
			t.Errorf("user %s by %s, owners %v, want %d by namespace", a.User, a.Evidence, a.Owners, s.User.UID)
		}
		if len(a.Inside) != 1 || a.Inside[0].Name != "web" {
			t.Fatalf("containers %+v, want web", a.Inside)
		}
		in := a.Inside[0]
		if in.UID == nil || *in.UID != s.uid || in.GID == nil || *in.GID != s.uid {
			t.Errorf("inside %+v, want %d:%d", in, s.uid, s.uid)
		}
	}
	t.Run("init", func(t *testing.T) { check(t, pids[1], 2) })
	t.Run("nested", func(t *testing.T) { check(t, pids[2], 3) })
	t.Run("anchor", func(t *testing.T) {
		a, err := s.PID(pids[0])
		if err != nil || len(a.Inside) != 0 || a.Evidence != ByNamespace {
			t.Errorf("PID() = %+v, %v, want no container", a, err)
		}
	})
	_ = syscall.Kill(pids[0], syscall.SIGKILL) // the parent, as a supervisor is
	t.Run("after the parent died", func(t *testing.T) { check(t, pids[1], 2) })
	t.Run("as text", func(t *testing.T) {
		a, err := s.PID(pids[1])
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := a.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"by namespace owner", "web (c1)", fmt.Sprintf("inside UID %d", s.uid)} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%q lacks %q", b.String(), want)
			}
		}
	})
}

// A container of mode host is in the anchor itself, beside others.
func TestPIDInAnchor(t *testing.T) {
	s := newScene(t)
	pids := startLevels(t, level{IDs: s.UIDs, PID: true})
	s.writeRecord(t, "c1", "web", pids[0])
	a, err := s.PID(pids[0])
	if err != nil || len(a.Inside) != 1 || a.Inside[0].Name != "web" {
		t.Errorf("PID() = %+v, %v, want web", a, err)
	}
}

func TestPIDOnHost(t *testing.T) {
	s := newScene(t)
	a, err := s.PID(os.Getpid())
	if err != nil || len(a.Owners) != 0 || len(a.Inside) != 0 || a.Evidence == ByNamespace {
		t.Errorf("PID(self) = %+v, %v", a, err)
	}
	if _, err := s.PID(1 << 30); !errors.Is(err, ErrNoProcess) {
		t.Errorf("PID of nobody: %v, want ErrNoProcess", err)
	}
}

func TestHostIDs(t *testing.T) {
	table, err := idmap.ParseTable(strings.NewReader("tester:100000:65536\n1002:300000:65536\nghost:400000:5\n"), "/etc/subuid")
	if err != nil {
		t.Fatal(err)
	}
	anchor := idmap.Anchor(1001, []idmap.Range{{Start: 100000, Count: 65536}})
	ledger, err := idmap.OpenLedger(t.TempDir(), 65536, idmap.LedgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	slice, err := ledger.Take(t.Context(), idmap.Need{Container: "c1", UIDs: []uint32{65534}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := slice.Release(); err != nil {
			t.Error(err)
		}
	}()
	s := Sources{
		User: idmap.User{Name: "tester", UID: 1001}, UIDs: anchor, GIDs: anchor, SubUIDs: table, SubGIDs: table,
		Accounts: []idmap.Account{{Name: "root", ID: 0}, {Name: "tester", ID: 1001}, {Name: "bob", ID: 1002}},
		Groups:   []idmap.Account{{Name: "wheel", ID: 10}}, Ledger: ledger, Containers: t.TempDir(),
	}
	host := func(anchorID uint32) uint32 { return 100000 - 1 + anchorID }
	number := func(n uint32) *uint32 { return &n }
	tests := []struct {
		name   string
		id     uint32
		user   string
		by     Evidence
		inside *uint32
	}{
		{"account", 1002, "bob (1002)", ByAccount, nil},
		{"the user", 1001, "tester (1001)", ByAccount, nil},
		{"by number", 300005, "bob (1002)", BySubID, nil},
		{"no account", 400000, "ghost", BySubID, nil},
		{"nobody's", 999999, "unknown", Unknown, nil},
		{"layers", 100000, "tester (1001)", BySubID, nil},
		{"in the block", host(slice.Block.Start + 33), "tester (1001)", BySubID, number(33)},
		{"outside the block", host(slice.Extras[65534]), "tester (1001)", BySubID, number(65534)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := s.HostUID(tt.id)
			if a.User.String() != tt.user || a.Evidence != tt.by {
				t.Errorf("user %s by %s, want %s by %s", a.User, a.Evidence, tt.user, tt.by)
			}
			if tt.inside == nil {
				if len(a.Inside) != 0 {
					t.Errorf("containers %+v, want none", a.Inside)
				}
				return
			}
			if len(a.Inside) != 1 || a.Inside[0].ID != "c1" || a.Inside[0].UID == nil || *a.Inside[0].UID != *tt.inside {
				t.Errorf("containers %+v, want c1 with %d", a.Inside, *tt.inside)
			}
			if g := s.HostGID(tt.id); len(g.Inside) != 1 || *g.Inside[0].GID != *tt.inside || g.Inside[0].UID != nil {
				t.Errorf("group: containers %+v", g.Inside)
			}
		})
	}
	if got := s.HostGID(10).Note; got != "group wheel" {
		t.Errorf("HostGID(10): note %q", got)
	}
	if got := s.HostUID(100000).Note; !strings.Contains(got, "image layers") {
		t.Errorf("HostUID(100000): note %q", got)
	}
}

func TestIDs(t *testing.T) {
	ledger, err := idmap.OpenLedger(t.TempDir(), 3*1056, idmap.LedgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	anchor := idmap.Anchor(1001, []idmap.Range{{Start: 100000, Count: 1600}, {Start: 300000, Count: 1568}})
	s := Sources{User: idmap.User{Name: "tester", UID: 1001}, UIDs: anchor, GIDs: anchor, Ledger: ledger, Containers: t.TempDir()}
	slice, err := ledger.Take(t.Context(), idmap.Need{Container: "c1", Image: "debian"})
	if err != nil {
		t.Fatal(err)
	}
	if err := slice.Keep("volume data"); err != nil {
		t.Fatal(err)
	}
	self, err := sys.ProcIDOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := slice.Record(t.Context(), self); err != nil {
		t.Fatal(err)
	}
	r, err := s.IDs()
	if err != nil {
		t.Fatal(err)
	}
	if r.Slices != 2 || r.Free != 1 || len(r.Rows) != 2 || r.Total != 3168 {
		t.Fatalf("IDs() = %+v", r)
	}
	states := map[State]Row{}
	for _, row := range r.Rows {
		states[row.State] = row
	}
	if states[Running].ID != "c1" || states[Running].PID != os.Getpid() || states[Kept].ID != "volume data" {
		t.Errorf("rows %+v", r.Rows)
	}
	var b strings.Builder
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"tester (1001): 3168 sub-IDs, 1 of 2 slices free", "volume data", "kept", "free host UIDs: "} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("table lacks %q:\n%s", want, b.String())
		}
	}
	text, err := json.Marshal(r)
	if err != nil || strings.Contains(string(text), "null") {
		t.Errorf("JSON %s, %v", text, err)
	}
	if err := slice.Release(); err != nil {
		t.Error(err)
	}
}
