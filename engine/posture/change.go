package posture

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// mayBecome says whether a process that was what is wished for can have become that
// by itself and by right: less than it was, or different in what is its own affair.
func (w Wish) mayBecome(name, got string) bool {
	want, isAsked := w.Facts[name]
	switch name {
	case "CapPrm", "CapEff", "CapBnd":
		return within(got, want)
	case "CapInh", "CapAmb": // capset(2) adds what is in the bounding set
		return within(got, w.Facts["CapBnd"])
	case "NoNewPrivs":
		return got == "1"
	case "Seccomp":
		return got == "2"
	case "Seccomp_filters":
		return number(got) >= number(want)
	}
	if strings.HasPrefix(name, "limit ") { // without one it was the caller's
		return !isAsked || lowered(got, want)
	}
	return slices.Contains([]string{
		"Umask", "uid", "gid", "groups", "threads", "oom_score_adj", "personality", "exe", "cwd", "root", "environment", "descriptors", "devices",
	}, name)
}

// within says whether a capability mask has nothing that another has not.
func within(got, want string) bool {
	a, errA := strconv.ParseUint(got, 16, 64)
	b, errB := strconv.ParseUint(want, 16, 64)
	return errA == nil && errB == nil && a&^b == 0
}

// lowered compares limits, SOFT:HARD.
func lowered(got, want string) bool {
	gotSoft, gotHard, ok := strings.Cut(got, ":")
	_, hard, asked := strings.Cut(want, ":")
	return ok && asked && number(gotHard) <= number(hard) && number(gotSoft) <= number(gotHard)
}

func number(s string) uint64 {
	if s == "unlimited" {
		return math.MaxUint64
	}
	n, _ := strconv.ParseUint(s, 10, 64) // the kernel's
	return n
}
