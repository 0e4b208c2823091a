package security

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// Rlimit is one resource limit. The type is named as in getrlimit(2).
type Rlimit struct {
	Type string `json:"type"` // "RLIMIT_NOFILE"
	Soft uint64 `json:"soft"`
	Hard uint64 `json:"hard"`
}

// Unlimited is RLIM_INFINITY.
const Unlimited uint64 = math.MaxUint64

// defaultFiles is the number of files a process may have open, as far as the
// caller's own hard limit goes. More makes programs slow that close every
// possible descriptor.
const defaultFiles = 524288

// limitNumbers are the kernel's numbers of the limits (asm-generic/resource.h),
// by the names of --ulimit.
var limitNumbers = map[string]int{
	"cpu": 0, "fsize": 1, "data": 2, "stack": 3, "core": 4, "rss": 5, "nproc": 6, "nofile": 7,
	"memlock": 8, "as": 9, "locks": 10, "sigpending": 11, "msgqueue": 12, "nice": 13, "rtprio": 14, "rttime": 15,
}

// LimitNumber returns the kernel's number of a limit's name, with or without
// "RLIMIT_", in any case.
func LimitNumber(name string) (int, bool) {
	n, ok := limitNumbers[strings.TrimPrefix(strings.ToLower(name), "rlimit_")]
	return n, ok
}

// rlimits are the defaults with --ulimit over them:
//
//	NOFILE  soft = hard = the caller's hard limit, 524,288 at most
//	NPROC   soft = hard = the caller's hard limit; the pids cgroup is the real bound
//	CORE    0: a core file is the container's memory, and lands where the host's core_pattern says
//	others  inherited
//
// "host" inherits all of them.
func rlimits(words []string, h Host) ([]Rlimit, error) {
	set := map[string]Rlimit{}
	if !slices.Contains(words, "host") {
		files := min(hardLimit(h, "nofile"), defaultFiles)
		set["nofile"] = Rlimit{"RLIMIT_NOFILE", files, files}
		procs := hardLimit(h, "nproc")
		set["nproc"] = Rlimit{"RLIMIT_NPROC", procs, procs}
		set["core"] = Rlimit{"RLIMIT_CORE", 0, 0}
	}
	for _, word := range words {
		if word == "host" {
			continue
		}
		name, limit, err := parseUlimit(word)
		if err != nil {
			return nil, err
		}
		if hard := hardLimit(h, name); limit.Hard > hard {
			return nil, aboveHard(word, name, hard)
		}
		set[name] = limit
	}
	out := make([]Rlimit, 0, len(set))
	for _, limit := range set {
		out = append(out, limit)
	}
	slices.SortFunc(out, func(a, b Rlimit) int { return strings.Compare(a.Type, b.Type) })
	return out, nil
}

// hardLimit is the caller's hard limit; only real root could raise it.
func hardLimit(h Host, name string) uint64 {
	if v, ok := h.Hard[name]; ok {
		return v
	}
	return Unlimited
}

func aboveHard(word, name string, hard uint64) error {
	err := fmt.Errorf("--ulimit %q: above your own hard limit of %d: %w", word, hard, ErrOption)
	return hint.New(err, "raise it for your login in /etc/security/limits.conf, or use --ulimit "+name+"="+strconv.FormatUint(hard, 10))
}

// parseUlimit reads name=soft[:hard]; -1 and "unlimited" mean no limit.
func parseUlimit(word string) (string, Rlimit, error) {
	bad := func(why string) (string, Rlimit, error) {
		return "", Rlimit{}, fmt.Errorf("--ulimit %q: %s: %w", word, why, ErrOption)
	}
	key, value, found := strings.Cut(word, "=")
	if !found {
		return bad("want host or name=soft[:hard]")
	}
	name := strings.TrimPrefix(strings.ToLower(key), "rlimit_")
	if _, ok := limitNumbers[name]; !ok {
		_, _, err := bad("unknown limit")
		return "", Rlimit{}, hint.New(err, "one of: "+strings.Join(limitNames(), " "))
	}
	first, second, two := strings.Cut(value, ":")
	soft, ok := parseLimit(first)
	if !ok {
		return bad("soft limit is not a number")
	}
	hard := soft
	if two {
		if hard, ok = parseLimit(second); !ok {
			return bad("hard limit is not a number")
		}
	}
	if soft > hard {
		return bad("soft limit is above the hard limit")
	}
	return name, Rlimit{"RLIMIT_" + strings.ToUpper(name), soft, hard}, nil
}

func parseLimit(s string) (uint64, bool) {
	if s == "-1" || s == "unlimited" {
		return Unlimited, true
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil
}

func limitNames() []string {
	names := make([]string, 0, len(limitNumbers))
	for n := range limitNumbers {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}
