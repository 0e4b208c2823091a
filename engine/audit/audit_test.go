package audit

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"
)

func fill(t *testing.T, n int) (Trail, string) {
	t.Helper()
	dir := t.TempDir()
	trail := At(dir)
	for range n {
		if _, err := trail.Append(Record{Kind: Start, ID: "x", ArgvSHA256: Argv([]string{"a", "b"})}); err != nil {
			t.Fatal(err)
		}
	}
	return trail, trail.path
}

func TestChain(t *testing.T) {
	trail, path := fill(t, 5)
	if n, err := trail.Verify(); n != 5 || err != nil {
		t.Fatalf("Verify() = %d, %v", n, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	seen := 0
	err = trail.Read(t.Context(), false, func(r Record) error {
		seen++
		if r.Seq != uint64(seen) || r.LoginUID == "" {
			t.Errorf("record %d: %+v", seen, r)
		}
		return nil
	})
	if err != nil || seen != 5 {
		t.Errorf("read %d, %v", seen, err)
	}
}

// Every kind of tampering with the middle of the file must be found.
func TestTampering(t *testing.T) {
	for name, tamper := range map[string]func(lines [][]byte) [][]byte{
		"changed":  func(l [][]byte) [][]byte { l[2] = bytes.Replace(l[2], []byte(`"x"`), []byte(`"y"`), 1); return l },
		"left out": func(l [][]byte) [][]byte { return append(l[:2:2], l[3:]...) },
		"doubled":  func(l [][]byte) [][]byte { return append(l[:3:3], l[2:]...) },
		"swapped":  func(l [][]byte) [][]byte { l[1], l[2] = l[2], l[1]; return l },
		"garbage":  func(l [][]byte) [][]byte { l[2] = []byte("garbage\n"); return l },
		"no start": func(l [][]byte) [][]byte { return l[1:] },
	} {
		t.Run(name, func(t *testing.T) {
			trail, path := fill(t, 5)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			lines := tamper(bytes.SplitAfter(b, []byte("\n")))
			if err := os.WriteFile(path, bytes.Join(lines, nil), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := trail.Verify(); !errors.Is(err, ErrBroken) {
				t.Errorf("not found: %v", err)
			}
		})
	}
}

// A line cut off by a full disk must not swallow the next one.
func TestCutOffLine(t *testing.T) {
	trail, path := fill(t, 2)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"seq":3,"pr`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := trail.Append(Record{Kind: Died, ID: "after"}); err != nil {
		t.Fatal(err)
	}
	var last Record
	if err := trail.Read(t.Context(), false, func(r Record) error { last = r; return nil }); err != nil || last.ID != "after" {
		t.Errorf("last record %+v, %v", last, err)
	}
	if _, err := trail.Verify(); !errors.Is(err, ErrBroken) {
		t.Errorf("the damage is not reported: %v", err)
	}
}

func TestMain(m *testing.M) {
	if dir := os.Getenv("AUDIT_TEST_APPEND"); dir != "" {
		for range 50 {
			if _, err := At(dir).Append(Record{Kind: Exec, ID: "p"}); err != nil {
				os.Exit(1)
			}
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Processes that append at once make one chain.
func TestManyWriters(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
			cmd.Env = append(os.Environ(), "AUDIT_TEST_APPEND="+dir)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v %s", err, out)
			}
		})
	}
	wg.Wait()
	if n, err := At(dir).Verify(); n != 400 || err != nil {
		t.Errorf("Verify() = %d, %v", n, err)
	}
}

func TestFollow(t *testing.T) {
	trail := At(t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() {
		for range 3 {
			time.Sleep(70 * time.Millisecond)
			_, _ = trail.Append(Record{Kind: Start, ID: "f"})
		}
	}()
	n := 0
	err := trail.Read(ctx, true, func(Record) error {
		if n++; n == 3 {
			return errors.New("enough")
		}
		return nil
	})
	if n != 3 || !strings.Contains(err.Error(), "enough") {
		t.Errorf("%d records, %v", n, err)
	}
}

func TestArgv(t *testing.T) {
	if Argv([]string{"a", "b"}) == Argv([]string{"ab"}) || Argv([]string{"a b"}) == Argv([]string{"a", "b"}) {
		t.Error("different command lines have the same hash")
	}
}

// The line before is found whatever its length.
func TestChainOfLongLines(t *testing.T) {
	trail, _ := fill(t, 1)
	for _, size := range []int{10, tailSize - 500, tailSize, 3 * tailSize, 9 * tailSize, 20} {
		if _, err := trail.Append(Record{Kind: Start, ID: "x", Mounts: []string{strings.Repeat("m", size)}}); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := trail.Verify(); n != 7 || err != nil {
		t.Errorf("Verify() = %d, %v", n, err)
	}
}

// What an image says may be long and full of what JSON escapes; its record must stay a
// line that can be read, and the chain hold.
func TestLongRecords(t *testing.T) {
	trail := At(t.TempDir())
	long := strings.Repeat("\x01", 300<<10)
	mounts := make([]string, 5000)
	for i := range mounts {
		mounts[i] = "volume:/" + strings.Repeat("\x02", 100)
	}
	for _, r := range []Record{
		{Kind: Start, ID: "a"},
		{Kind: Failed, ID: "a", Error: long, Image: long, Name: long, Mounts: mounts},
		{Kind: Failed, ID: "a", Error: strings.Repeat("é", 4000)},
		{Kind: Remove, ID: "a"},
	} {
		if _, err := trail.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := trail.Verify(); n != 4 || err != nil {
		t.Errorf("%d records, %v", n, err)
	}
	var got []Record
	if err := trail.Read(t.Context(), false, func(r Record) error { got = append(got, r); return nil }); err != nil || len(got) != 4 {
		t.Fatal(len(got), err)
	}
	if m := got[1].Mounts; !strings.HasPrefix(m[0], "volume:/") || !strings.HasSuffix(m[len(m)-1], " more") {
		t.Errorf("%d mounts, %q", len(m), m[len(m)-1])
	}
	if !utf8.ValidString(got[2].Error) || !strings.HasSuffix(got[2].Error, "é…") {
		t.Errorf("%.20q", got[2].Error)
	}
}
