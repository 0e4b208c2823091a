package posture

import (
	"slices"
	"strings"
)

// Matches compares lists of items, separated by a comma and a space: one that
// begins with [?] may be missing, and an asterisk stands for anything.
func Matches(got, want string) bool {
	have := strings.Split(got, ", ")
	for w := range strings.SplitSeq(want, ", ") {
		item, optional := strings.CutPrefix(w, "[?]")
		i := slices.IndexFunc(have, func(h string) bool { return glob(item, h) })
		if i >= 0 {
			have = slices.Delete(have, i, i+1)
		} else if !optional {
			return false
		}
	}
	return len(have) == 0
}

// glob matches s with a pattern in which an asterisk stands for any characters.
func glob(pattern, s string) bool {
	head, rest, open := strings.Cut(pattern, "*")
	if !open {
		return s == pattern
	}
	s, ok := strings.CutPrefix(s, head)
	if !ok {
		return false
	}
	for i := range len(s) + 1 {
		if glob(rest, s[i:]) {
			return true
		}
	}
	return false
}
