package idmap

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// writeMap gives a new user namespace the map, and says what the kernel said.
func writeMap(t *testing.T, m Map) error {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	if err := cmd.Start(); err != nil {
		t.Skip("user namespaces are off:", err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	return os.WriteFile(fmt.Sprintf("/proc/%d/uid_map", cmd.Process.Pid), []byte(m.String()), 0)
}

// anchorMain runs in the anchor of a test: it gives a child namespace the map
// it was given, and reports what the kernel says.
func anchorMain(text string) {
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	err := cmd.Start()
	if err == nil {
		err = os.WriteFile(fmt.Sprintf("/proc/%d/uid_map", cmd.Process.Pid), []byte(text), 0)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	if err != nil {
		fmt.Println(err)
	}
}

// The kernel takes the maps of every mode from inside an anchor whose sub-IDs
// come in two pieces.
func TestKernelTakesMapsInAnchor(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can map IDs of others")
	}
	c, s := example()
	s.Block.Start = 59900 // the pieces meet inside
	modes := map[string]Mode{"explicit": {}, "fill": {}}
	for _, name := range []string{"unique", "auto", "nomap", "keep-id", "keep-id:uid=0", "keep-id:uid=7000", "single"} {
		m, err := ParseMode(name)
		if err != nil {
			t.Fatal(err)
		}
		modes[name] = m
	}
	modes["explicit"], _ = ExplicitMode([]string{"0:0:1", "1:1:65536"}, nil)
	modes["fill"], _ = ExplicitMode([]string{"+500:@300000"}, nil)
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			uid, _, err := Maps(mode, s, c)
			if err != nil {
				t.Fatal(err)
			}
			if out := inAnchor(t, c.AnchorUIDs, uid); out != "" {
				t.Errorf("%s\n%s", out, uid)
			}
		})
	}
	if out := inAnchor(t, c.AnchorUIDs, Map{{0, 0, 2}}); !strings.Contains(out, "not permitted") {
		t.Errorf("an extent across a border: %q; then split is needless", out)
	}
}

func inAnchor(t *testing.T, anchor, m Map) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), anchorEnv+"="+m.String())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER,
		Credential: &syscall.Credential{NoSetGroups: true}, // 0 in there is the user, not root
	}
	for _, e := range anchor {
		cmd.SysProcAttr.UidMappings = append(cmd.SysProcAttr.UidMappings,
			syscall.SysProcIDMap{ContainerID: int(e.Container), HostID: int(e.Host), Size: int(e.Count)})
	}
	cmd.SysProcAttr.GidMappings = cmd.SysProcAttr.UidMappings // clone wants both
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// Validate says of a map what the kernel says of it.
func TestKernelAgreesWithValidate(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can map IDs of others")
	}
	sparse := func(n, from uint32) (m Map) {
		for i := range n {
			m = append(m, Extent{from + 2*i, from + 2*i, 1})
		}
		return m
	}
	tests := map[string]Map{
		"simple":          {{0, 1000, 1}, {1, 100000, 65536}},
		"340 extents":     sparse(340, 0),
		"341 extents":     sparse(341, 0),
		"4095 bytes":      padTo(sparse(300, 1000), 4095),
		"4096 bytes":      padTo(sparse(300, 1000), 4096),
		"wrap":            {{0, 4294967290, 6}},
		"last":            {{0, 4294967290, 5}},
		"empty extent":    {{0, 5, 0}},
		"inside overlap":  {{0, 0, 10}, {9, 100, 1}},
		"outside overlap": {{0, 0, 10}, {10, 9, 1}},
		"out of order":    {{5000, 0, 1}, {0, 5000, 10}},
	}
	for name, m := range tests {
		t.Run(name, func(t *testing.T) {
			if want, ok := strings.CutSuffix(name, " bytes"); ok && want != strconv.Itoa(len(m.String())) {
				t.Fatalf("the map has %d bytes", len(m.String()))
			}
			ours, theirs := m.Validate(), writeMap(t, m)
			if (ours == nil) != (theirs == nil) {
				t.Errorf("%d extents, %d bytes: Validate() = %v, the kernel says %v", len(m), len(m.String()), ours, theirs)
			}
		})
	}
}

// padTo makes the map exactly that many bytes long: lines of 14 bytes, then one
// of 14 to 28, as long as its numbers.
func padTo(m Map, bytes int) Map {
	for id := uint32(10000); ; id += 2 {
		left := bytes - len(m.String())
		if left > 28 {
			m = append(m, Extent{id, id, 1})
			continue
		}
		e := Extent{30000, 30000, 1}
		for _, grow := range []*uint32{&e.Container, &e.Host, &e.Count} {
			for len(Map{e}.String()) < left && *grow < 3e8 {
				*grow *= 10
			}
		}
		return append(m, e)
	}
}
