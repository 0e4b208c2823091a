package unpack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/burrow-run/burrow/internal/nstest"
	"github.com/burrow-run/burrow/internal/sys"
)

func (g *ground) inWorker(ctx context.Context, t *testing.T, r io.Reader) (Result, error) {
	t.Helper()
	root, err := os.Open(g.root)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	split, err := os.Create(filepath.Join(t.TempDir(), "split"))
	if err != nil {
		t.Fatal(err)
	}
	defer split.Close()
	return InWorker(ctx, "/proc/self/exe", root, r, Options{Limits: DefaultLimits(), TarSplit: split, Owned: true})
}

// TestSection: of a file that holds more than the layer, the layer is read.
func TestSection(t *testing.T) {
	nstest.NeedIDs(t)
	layer := tarOf(t, dir("d"), file("d/f", strings.Repeat("x", 1<<20)))
	around := bytes.Repeat([]byte("around"), 1000)
	path := filepath.Join(t.TempDir(), "archive")
	if err := os.WriteFile(path, slices.Concat(around, layer, around), 0o600); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(layer)
	for name, unpack := range map[string]func(*ground, io.Reader) (Result, error){
		"here":      func(g *ground, r io.Reader) (Result, error) { return g.unpackFrom(t, r, Options{}) },
		"in worker": func(g *ground, r io.Reader) (Result, error) { return g.inWorker(t.Context(), t, r) },
	} {
		for _, size := range []int{len(layer), len(layer) / 2, len(layer) + 10*len(around)} {
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			s, err := NewSection(f, int64(len(around)), int64(size))
			if err != nil {
				t.Fatal(err)
			}
			res, err := unpack(newGround(t), s)
			if whole := err == nil && res.DiffID == hex.EncodeToString(sum[:]); whole != (size == len(layer)) {
				t.Errorf("%s: %d of %d bytes: %+v %v", name, size, len(layer), res, err)
			}
			if rest, err := io.ReadAll(s); size <= len(layer) && (len(rest) > 0 || err != nil) {
				t.Errorf("%s: %d bytes are left, %v", name, len(rest), err)
			}
			_ = s.Close()
		}
	}
}

func TestWorkerDoesTheSame(t *testing.T) {
	nstest.NeedIDs(t)
	ents := []ent{dir("d"), {name: "d/f", kind: '0', data: strings.Repeat("x", 3<<20), uid: 4}, symlink("l", "x"), file(".wh.w", "")}
	for i, mode := range []int64{0o4755, 0o2711, 0o666, 0o777, 0o400, 0o1644} {
		ents = append(ents, ent{name: fmt.Sprintf("m%d", i), kind: '0', data: "x", mode: mode, uid: i % 3})
	}
	layer := tarOf(t, ents...)
	here, there := newGround(t), newGround(t)
	want, err := here.unpack(t, layer, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := there.inWorker(t.Context(), t, bytes.NewReader(layer))
	if err != nil || got.DiffID != want.DiffID || got.Size != want.Size || len(got.Owned) != 5 || got.Owned[0].UID != 4 {
		t.Fatalf("%+v %v", got, err)
	}
	out, err := exec.CommandContext(t.Context(), "diff", "-r", "--no-dereference", here.root, there.root).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "character special file") {
		t.Errorf("%v %s", err, out)
	}
	for _, e := range ents {
		if e.name == ".wh.w" {
			continue
		}
		a, b := lstat(t, here, e.name), lstat(t, there, e.name)
		if a.Mode != b.Mode || a.Uid != b.Uid || a.Mtim != b.Mtim || e.mode != 0 && int64(b.Mode&0o7777) != e.mode {
			t.Errorf("%s: %o %d here, %o %d there, asked for %o", e.name, a.Mode, a.Uid, b.Mode, b.Uid, e.mode)
		}
	}
	f, err := os.Open(os.Args[0]) // a file, not a pipe; and no layer
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := newGround(t).inWorker(t.Context(), t, f); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

func TestWorkerErrors(t *testing.T) {
	boom := errors.New("boom")
	layer := tarOf(t, file("f", strings.Repeat("x", 1<<20)))
	for name, tt := range map[string]struct {
		r    io.Reader
		want error
	}{
		"invalid":     {bytes.NewReader(tarOf(t, file("../x", ""))), ErrInvalid},
		"unmapped":    {bytes.NewReader(tarOf(t, ent{name: "f", kind: '0', uid: 3_999_999})), ErrUnmapped},
		"source":      {io.MultiReader(bytes.NewReader(layer[:500_000]), badSource{boom}), boom},
		"source late": {io.MultiReader(bytes.NewReader(layer), badSource{boom}), boom},
	} {
		_, err := newGround(t).inWorker(t.Context(), t, tt.r)
		if !errors.Is(err, tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newGround(t).inWorker(ctx, t, bytes.NewReader(layer)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// TestWorkerIsConfined runs, in place of the unpacker, a program that tries what
// a hijacked decompressor would.
func TestWorkerIsConfined(t *testing.T) {
	g := newGround(t)
	root, err := os.Open(g.root)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	outside, err := os.Open(g.base)
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	run := func(name string) map[string]string {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "attack")
		cmd.Args[0] = name
		cmd.Env = []string{}
		cmd.ExtraFiles = []*os.File{root, root, outside} // a descriptor that leaked
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v %s", err, out)
		}
		got := map[string]string{}
		for line := range strings.Lines(string(out)) {
			k, v, _ := strings.Cut(strings.TrimSpace(line), ": ")
			got[k] = v
		}
		return got
	}
	free := run("unconfined") // shows that the attacks work where nothing stops them
	for _, what := range []string{"internet socket", "unix socket", "read passwd", "read proc", "read through a leaked descriptor", "fchdir", "kill"} {
		if free[what] != "ok" {
			t.Errorf("control: %s: %s", what, free[what])
		}
	}
	const noCall, noFile, noAccess = "function not implemented", "no such file or directory", "permission denied"
	want := map[string]string{
		"write to the root": "ok",
		"read passwd":       noFile, "read proc": noFile, "dot dot": noFile,
		"read through a leaked descriptor": noAccess, "write through a leaked descriptor": noAccess,
	}
	got := run(WorkerName)
	for what := range free {
		if w := want[what]; w == "" {
			want[what] = noCall
		}
	}
	want["ptrace"] = noCall
	for what, w := range want {
		if w == noAccess && sys.LandlockABI() == 0 {
			continue // what a leaked descriptor could do, Landlock alone stops
		}
		if got[what] != w {
			t.Errorf("%s: %s, want %s", what, got[what], w)
		}
	}
}

// attack prints what it could do.
func attack() {
	try := func(what string, err error) {
		if err == nil {
			fmt.Println(what + ": ok")
			return
		}
		fmt.Println(what + ": " + err.Error())
	}
	socket := func(domain int) error {
		_, err := unix.Socket(domain, unix.SOCK_STREAM, 0)
		return err
	}
	open := func(at int, name string, flags int) error {
		_, err := unix.Openat(at, name, flags, 0o600)
		return err
	}
	try("write to the root", open(unix.AT_FDCWD, "/", unix.O_TMPFILE|unix.O_WRONLY))
	try("internet socket", socket(unix.AF_INET))
	try("unix socket", socket(unix.AF_UNIX))
	try("read passwd", open(unix.AT_FDCWD, "/etc/passwd", unix.O_RDONLY))
	try("read proc", open(unix.AT_FDCWD, "/proc/self/maps", unix.O_RDONLY))
	try("read through a leaked descriptor", open(5, "outside/secret", unix.O_RDONLY))
	try("write through a leaked descriptor", open(5, "outside/secret", unix.O_WRONLY))
	try("dot dot", open(unix.AT_FDCWD, "../../outside/secret", unix.O_RDONLY))
	try("chroot", unix.Chroot("."))
	try("fchdir", unix.Fchdir(5))
	try("mount", unix.Mount("none", "/", "tmpfs", 0, ""))
	try("unshare", unix.Unshare(unix.CLONE_NEWUSER))
	try("kill", unix.Kill(os.Getppid(), 0))
	if os.Args[0] == WorkerName { // where it works it stops the test
		try("ptrace", unix.PtraceAttach(os.Getppid()))
	}
	_, _, errno := unix.Syscall(unix.SYS_BPF, 0, 0, 0)
	try("bpf", asError(errno))
	_, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, true)
	try("keyring", err)
	_, _, errno = unix.Syscall(unix.SYS_IO_URING_SETUP, 1, 0, 0)
	try("io_uring", asError(errno))
	_, _, errno = unix.Syscall(unix.SYS_EXECVE, 0, 0, 0)
	try("execve", asError(errno))
}

func asError(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

type badSource struct{ err error }

func (b badSource) Read([]byte) (int, error) { return 0, b.err }
