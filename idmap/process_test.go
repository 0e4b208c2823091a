package idmap

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/burrow-run/burrow/internal/sys"
)

const (
	holderEnv  = "IDMAP_TEST_HOLDER"
	fighterEnv = "IDMAP_TEST_FIGHTER"
	anchorEnv  = "IDMAP_TEST_ANCHOR"
)

// TestMain is also the program of the processes that tests start.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv(holderEnv) != "":
		holderMain(os.Getenv(holderEnv))
	case os.Getenv(fighterEnv) != "":
		fighterMain(os.Getenv(fighterEnv))
	case os.Getenv(anchorEnv) != "":
		anchorMain(os.Getenv(anchorEnv))
	default:
		os.Exit(m.Run())
	}
}

// holderMain takes a slice in the directory given, says so, and holds it until
// its input ends.
func holderMain(dir string) {
	l, err := OpenLedger(dir, 65536, LedgerOptions{})
	if err == nil {
		var s *Slice
		s, err = l.Take(context.Background(), Need{Container: os.Args[1], Image: "img", UIDs: []uint32{65534}})
		if err == nil {
			fmt.Println(s.ID, s.Extras[65534])
		}
	}
	if err != nil {
		fmt.Println("error", err)
	}
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

// fighterMain takes and releases slices of a ledger with too few of them. A
// file per stride, which must not exist, shows when two processes have it.
func fighterMain(dir string) {
	l, err := OpenLedger(filepath.Join(dir, "ids"), 4*stride, LedgerOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	taken := 0
	// Others may hold all of them each time that this one asks.
	patience := time.Now().Add(20 * time.Second)
	for i := 0; i < 150 || taken == 0 && time.Now().Before(patience); i++ {
		n := Need{Container: fmt.Sprint(os.Getpid(), i), Image: fmt.Sprint(i % 3), Size: uint32(1 + i%2*1100)}
		s, err := l.Take(context.Background(), n)
		if errors.Is(err, ErrExhausted) {
			continue
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		taken++
		for _, number := range s.numbers {
			mark := filepath.Join(dir, fmt.Sprint("mark", number))
			f, err := os.OpenFile(mark, os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				fmt.Println("taken twice:", err)
				return
			}
			f.Close()
		}
		for _, number := range s.numbers {
			os.Remove(filepath.Join(dir, fmt.Sprint("mark", number)))
		}
		if err := s.Release(); err != nil {
			fmt.Println(err)
			return
		}
	}
	if taken == 0 {
		fmt.Println("never got a slice")
	}
}

type holderProc struct {
	cmd   *exec.Cmd
	slice string
}

// startHolders starts n processes that take a slice each, all at once.
func startHolders(t *testing.T, dir string, n int) []holderProc {
	t.Helper()
	out := make([]holderProc, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			cmd := exec.Command("/proc/self/exe", fmt.Sprintf("ctr%d", i))
			cmd.Env = append(os.Environ(), holderEnv+"="+dir)
			in, err1 := cmd.StdinPipe()
			pipe, err2 := cmd.StdoutPipe()
			if err := errors.Join(err1, err2, cmd.Start()); err != nil {
				t.Error(err)
				return
			}
			line, err := bufio.NewReader(pipe).ReadString('\n')
			if err != nil || strings.HasPrefix(line, "error") {
				t.Errorf("holder %d: %q, %v", i, line, err)
			}
			out[i] = holderProc{cmd, strings.TrimSpace(line)}
			t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
		})
	}
	wg.Wait()
	return out
}

func TestProcessesTakeDistinctSlices(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ids")
	procs := startHolders(t, dir, 24)
	seen := map[string]bool{}
	for _, p := range procs {
		if seen[p.slice] {
			t.Errorf("slice %q was given twice", p.slice)
		}
		seen[p.slice] = true
	}
	l, err := OpenLedger(dir, 65536, LedgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	hs, err := l.List()
	if err != nil || len(hs) != 24 {
		t.Errorf("List() = %d holders, %v, want 24", len(hs), err)
	}
	for _, p := range procs {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
	if u, err := l.Usage(); err != nil || u.Free != u.Slices {
		t.Errorf("after SIGKILL: %d of %d free, held by %+v, %v", u.Free, u.Slices, u.Holders, err)
	}
}

func TestProcessesFightForSlices(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			cmd := exec.Command("/proc/self/exe")
			cmd.Env = append(os.Environ(), fighterEnv+"="+dir)
			if out, err := cmd.Output(); err != nil || len(out) > 0 {
				t.Errorf("%s%v", out, err)
			}
		})
	}
	wg.Wait()
	l, err := OpenLedger(filepath.Join(dir, "ids"), 4*stride, LedgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if u, err := l.Usage(); err != nil || u.Free != 3 {
		t.Errorf("after all: %+v, %v", u, err)
	}
	for _, image := range []string{"0", "1", "2"} { // the hints do not grow
		if n := len(l.noted(image)); n > 4 {
			t.Errorf("image %s has %d notes for 3 strides", image, n)
		}
	}
}

func TestInitKeepsTheSlice(t *testing.T) {
	l := openTest(t, stride) // one slice
	sleep := exec.Command("sleep", "600")
	if err := sleep.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := sys.ProcIDOf(sleep.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	s := mustTake(t, l, Need{Container: "c", Image: "a"})
	if err := s.Record(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	s.File().Close() // as SIGKILL would
	_, err = l.Take(t.Context(), Need{Container: "d"})
	if !errors.Is(err, ErrExhausted) || !strings.Contains(err.Error(), "held by c") {
		t.Errorf("Take beside a living init: %v", err)
	}
	after, err := OpenLedger(l.dir, stride, LedgerOptions{BootID: "another"})
	if err != nil {
		t.Fatal(err)
	}
	if u, err := after.Usage(); err != nil || u.Free != 1 {
		t.Errorf("after a reboot: %+v, %v", u, err)
	}
	_ = sleep.Process.Kill()
	_ = sleep.Wait()
	release(t, mustTake(t, l, Need{Container: "d"}))
}

// A slice that the program no longer refers to is still held: its container
// may be running.
func TestSliceOutlivesItsVariable(t *testing.T) {
	l := openTest(t, stride)
	mustTake(t, l, Need{Container: "a"})
	for range 3 {
		runtime.GC()
		time.Sleep(5 * time.Millisecond) // finalizers run in a goroutine of their own
	}
	if _, err := l.Take(t.Context(), Need{Container: "b"}); !errors.Is(err, ErrExhausted) {
		t.Errorf("Take = %v, want ErrExhausted", err)
	}
}

// A process that executes another program holds what it held, and can give it back.
func TestResume(t *testing.T) {
	l := openTest(t, 65536)
	s := mustTake(t, l, Need{Container: "c", Image: "img", Size: 2048})
	ended := sys.ProcID{PID: os.Getpid(), Start: 1} // so nothing but the lock holds
	if err := s.Record(t.Context(), ended); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Dup(int(s.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	s.File().Close() // as execve(2) would, but for what is inherited
	again, err := OpenLedger(l.dir, 65536, LedgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.Take(t.Context(), Need{Container: "d", Exact: &s.Ref}); !errors.Is(err, ErrHeld) {
		t.Errorf("it is not held: %v", err)
	}
	r := again.Resume("c", ended, s.Strides(), os.NewFile(uintptr(fd), "holds"))
	if err := r.Release(); err != nil {
		t.Fatal(err)
	}
	if list, err := again.List(); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
	mustTake(t, again, Need{Container: "d", Exact: &s.Ref})
}
