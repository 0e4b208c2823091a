package security

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/opencontainers/runtime-spec/specs-go"
	libseccomp "github.com/seccomp/libseccomp-golang"
)

// profileVersion names what this package compiles; it is part of the cache key.
// Raise it with every change to the rules, the head or the file format.
const profileVersion = "burrow seccomp 1"

// Filter is a seccomp policy that has not been compiled yet: everything that
// determines the program, and nothing else, so that the cache can be asked
// without parsing or compiling anything.
type Filter struct {
	path     string // of a user-supplied profile; "" for the built-in one
	profile  []byte // its content
	caps     capSet
	compat32 bool
	nesting  bool
	arch     string // as runtime.GOARCH
	kernel   string // major.minor
}

// Program is a compiled filter, ready for seccomp(SECCOMP_SET_MODE_FILTER).
type Program struct {
	// Instructions are the raw struct sock_filter array in host byte order.
	Instructions []byte
	// Flags are the SECCOMP_FILTER_FLAG_ bits the profile asks for.
	Flags uint32
	// Cached says that the program was not compiled but read.
	Cached bool
}

// Source names the profile: "default" or the path of the user's file.
func (f *Filter) Source() string {
	if f.path == "" {
		return "default"
	}
	return f.path
}

// Key is the hash of everything that determines the program.
func (f *Filter) Key() string {
	major, minor, micro := libseccomp.GetLibraryVersion()
	h := sha256.New()
	// Writing to a hash never fails.
	_, _ = fmt.Fprintf(h, "%s\narch=%s kernel=%s lib=%d.%d.%d caps=%x compat32=%t nesting=%t\n",
		profileVersion, f.arch, f.kernel, major, minor, micro, uint64(f.caps), f.compat32, f.nesting)
	if f.path != "" {
		_, _ = fmt.Fprintf(h, "profile=%x\n", sha256.Sum256(f.profile))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Program returns the compiled filter, from the cache directory dir where it
// holds a sound copy, else compiled and then stored there. Being unable to
// store is not an error: the filter is as good, only slower to get. An empty
// dir means no cache.
func (f *Filter) Program(dir string) (*Program, error) {
	key := f.Key()
	if dir != "" {
		if p, err := readCache(dir, key); err == nil {
			return p, nil
		}
	}
	rules, err := f.Rules()
	if err != nil {
		return nil, err
	}
	p, err := assemble(rules, f.arch)
	if err != nil {
		return nil, fmt.Errorf("compile seccomp profile %s: %w", f.Source(), err)
	}
	if dir != "" {
		_ = writeCache(dir, key, p) // a full disk must not stop a container
	}
	return p, nil
}

// Rules resolves the profile for this machine and these capabilities, in the
// form of the OCI runtime specification. It is what Program compiles, and what
// a runtime needs that loads the filter itself because no_new_privs is off.
func (f *Filter) Rules() (*specs.LinuxSeccomp, error) {
	if f.path == "" {
		return defaultRules(f)
	}
	return customRules(f)
}

// WritePFC writes the libseccomp part of the filter as pseudo-code, for people.
func (f *Filter) WritePFC(w io.Writer) error {
	rules, err := f.Rules()
	if err != nil {
		return err
	}
	filter, err := libseccompFilter(rules, f.arch)
	if err != nil {
		return err
	}
	defer filter.Release()
	text, err := export(filter.ExportPFC)
	if err != nil {
		return fmt.Errorf("export seccomp pseudo-code: %w", err)
	}
	_, err = w.Write(text)
	return err
}

// newFilter decides which filter the options ask for; nil means none.
func newFilter(o opts, privileged bool, caps capSet, h Host) (*Filter, error) {
	if o.seccomp == "unconfined" || privileged && o.seccomp == "" {
		return nil, nil //nolint:nilnil // no filter is a valid, reported outcome
	}
	f := &Filter{caps: caps, compat32: o.compat32, nesting: o.nesting, arch: h.Arch, kernel: h.Kernel}
	if f.arch == "" {
		f.arch = runtime.GOARCH
	}
	if o.seccomp == "" {
		return f, nil
	}
	data, err := readProfile(o.seccomp)
	if err != nil {
		return nil, err
	}
	f.path, f.profile = o.seccomp, data
	return f, nil
}

// seccompDeviations reports what the filter lets through beyond the default.
func seccompDeviations(f *Filter, o opts, privileged bool) []Deviation {
	if f == nil && privileged && o.seccomp == "" {
		return nil // part of what --privileged says
	}
	if f == nil {
		return []Deviation{{
			ID: "seccomp-unconfined", Layer: "seccomp", Flag: "--security-opt seccomp=unconfined",
			Meaning: "every system call of every ABI is in reach",
		}}
	}
	var out []Deviation
	if f.path != "" {
		out = append(out, Deviation{
			ID: "seccomp-profile", Layer: "seccomp", Flag: "--security-opt seccomp=" + f.path,
			Meaning: "the system calls are those of the user's profile, not of the default",
		})
	}
	if f.compat32 {
		out = append(out, Deviation{
			ID: "compat32", Layer: "seccomp", Flag: "--security-opt compat32",
			Meaning: "32-bit programs run; through socketcall(2) they reach every socket family the kernel has",
		})
	}
	return out
}

// export runs one of libseccomp's write-to-a-descriptor functions and returns
// what it wrote. A temporary file without a name takes any amount; a pipe
// would block.
func export(write func(*os.File) error) ([]byte, error) {
	file, err := memfile()
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	if err := write(file); err != nil {
		return nil, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return io.ReadAll(file)
}
