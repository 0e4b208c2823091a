package plan

import (
	"fmt"
	"strings"
)

const (
	defaultDomain = "docker.io"
	defaultTag    = "latest"
	maxNameLen    = 512
)

// isID reports whether s is a full image ID: 64 lower-case hex digits.
func isID(s string) bool { return len(s) == 64 && isHex(s) }

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return s != ""
}

// validName keeps file names sane; it is not the full grammar of references,
// which the image library checks when a name is stored.
func validName(s string) bool {
	if s == "" || len(s) > maxNameLen || s[0] == '.' || s[0] == '/' || s[0] == '%' {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("._-/:@+[]", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// name is a reference taken apart. Of tag and digest, at most one is set.
type name struct {
	domain string // "" if the user gave none
	path   string
	tag    string
	digest string
}

func (n name) String() string {
	s := n.path
	if n.domain != "" {
		s = n.domain + "/" + s
	}
	if n.digest != "" {
		return s + "@" + n.digest
	}
	return s + ":" + n.tag
}

// parseName takes a user-typed reference apart. Where both tag and digest are
// given the digest counts, as in Podman.
func parseName(s string) (name, error) {
	if !validName(s) {
		return name{}, fmt.Errorf("%w: %q", ErrName, s)
	}
	n := name{path: s}
	if repo, d, ok := strings.Cut(s, "@"); ok {
		n.path, n.digest = repo, d
		if hex, ok := strings.CutPrefix(n.digest, "sha256:"); !ok || !isID(hex) {
			return name{}, fmt.Errorf("%w: %q: the digest is not sha256 and 64 hex digits", ErrName, s)
		}
	}
	if colon := strings.LastIndexByte(n.path, ':'); colon > strings.LastIndexByte(n.path, '/') {
		n.path, n.tag = n.path[:colon], n.path[colon+1:]
		if n.tag == "" {
			return name{}, fmt.Errorf("%w: %q: the tag is empty", ErrName, s)
		}
	}
	switch {
	case n.digest != "":
		n.tag = ""
	case n.tag == "":
		n.tag = defaultTag
	}
	if first, rest, ok := strings.Cut(n.path, "/"); ok && isDomain(first) {
		n.domain, n.path = first, rest
	}
	if n.path == "" || n.path != strings.ToLower(n.path) || strings.Contains(n.path, "//") || strings.HasSuffix(n.path, "/") {
		return name{}, fmt.Errorf("%w: %q", ErrName, s)
	}
	if n.domain == "index.docker.io" {
		n.domain = defaultDomain
	}
	if n.domain == defaultDomain && !strings.Contains(n.path, "/") {
		n.path = "library/" + n.path
	}
	return n, nil
}

// isDomain is Docker's rule for telling a registry from a path component.
func isDomain(s string) bool {
	return s == "localhost" || strings.ContainsAny(s, ".:") || s != strings.ToLower(s)
}

// candidates are the full names n may stand for, the likeliest first.
func (n name) candidates() []string {
	if n.domain != "" {
		return []string{n.String()}
	}
	local, hub := n, n
	local.domain, hub.domain = "localhost", defaultDomain
	if !strings.Contains(n.path, "/") {
		hub.path = "library/" + n.path
	}
	return []string{local.String(), hub.String()}
}

// repository cuts tag and digest off a full name.
func repository(s string) string {
	s, _, _ = strings.Cut(s, "@")
	if colon := strings.LastIndexByte(s, ':'); colon > strings.LastIndexByte(s, '/') {
		return s[:colon]
	}
	return s
}

// Candidates are the full names that a reference may stand for, the likeliest
// first; none if it is no name.
func Candidates(ref string) []string {
	n, err := parseName(ref)
	if err != nil {
		return nil
	}
	return n.candidates()
}

// Repository is a full name without its tag or digest.
func Repository(full string) string { return repository(full) }
