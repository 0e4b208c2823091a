package idmap

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNoSubIDs says that a user has no line in /etc/subuid or /etc/subgid.
	ErrNoSubIDs = errors.New("no subordinate IDs")
	// ErrOverlap says that a user's sub-IDs are somebody else's too.
	ErrOverlap = errors.New("sub-IDs overlap")
	// ErrExhausted says that no slice of the size asked for is free.
	ErrExhausted = errors.New("out of sub-IDs")
	// ErrHeld says that a slice asked for by name belongs to somebody else.
	ErrHeld = errors.New("slice is held")
	// ErrMap says that a map is one which the kernel would refuse.
	ErrMap = errors.New("invalid ID map")
	// ErrSyntax says that a value given by the user cannot be understood.
	ErrSyntax = errors.New("invalid value")
)

// OverlapError names both owners of the same IDs.
type OverlapError struct {
	Owner string // whose range is checked
	Range Range
	Other string // "bob", "account carol", "systemd dynamic users"
	Taken Range
	Where string // file:line of Other, or ""
	GID   bool   // group IDs rather than user IDs
}

// Error implements error.
func (e *OverlapError) Error() string {
	kind := "sub-UIDs"
	if e.GID {
		kind = "sub-GIDs"
	}
	where := ""
	if e.Where != "" {
		where = " (" + e.Where + ")"
	}
	return fmt.Sprintf("%s %s of %s overlap %s of %s%s", kind, e.Range, e.Owner, e.Taken, e.Other, where)
}

// Unwrap makes errors.Is(err, ErrOverlap) true.
func (e *OverlapError) Unwrap() error { return ErrOverlap }

// ExhaustedError says how many IDs were needed and who holds the others.
type ExhaustedError struct {
	Needed, Free uint64
	Total        uint32
	Holders      []Holder
}

// Error implements error.
func (e *ExhaustedError) Error() string {
	return fmt.Sprintf("out of sub-IDs: %d needed in one piece, %d free of %d, held by %s",
		e.Needed, e.Free, e.Total, holderNames(e.Holders))
}

// Unwrap makes errors.Is(err, ErrExhausted) true.
func (e *ExhaustedError) Unwrap() error { return ErrExhausted }

// holderNames lists a few names and counts the rest.
func holderNames(hs []Holder) string {
	const shown = 5
	var names []string
	for _, h := range hs {
		names = append(names, h.Name())
	}
	if len(names) == 0 {
		return "nobody"
	}
	if len(names) > shown {
		names = append(names[:shown], fmt.Sprintf("and %d more", len(names)-shown))
	}
	return strings.Join(names, ", ")
}
