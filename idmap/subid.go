package idmap

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// maxLine is the longest line of subuid(5) that newuidmap reads, with its
// newline (shadow, lib/subordinateio.c: a buffer of 1024).
const maxLine = 1022

// User is who a line of /etc/subuid belongs to: by name or by number.
type User struct {
	Name string
	UID  uint32
}

func (u User) owns(owner string) bool {
	return owner == u.Name || owner == strconv.FormatUint(uint64(u.UID), 10)
}

// String is the name, or the number of a user who has none.
func (u User) String() string {
	if u.Name != "" {
		return u.Name
	}
	return strconv.FormatUint(uint64(u.UID), 10)
}

// Table is a parsed /etc/subuid or /etc/subgid.
type Table struct {
	Path string
	rows []row
}

// row is one line that names an owner; err is why its range is unusable.
type row struct {
	owner string
	r     Range
	line  int
	err   error
}

// ParseTable reads a file in the format of subuid(5). Malformed lines are kept
// with their reason: they matter only to the user they belong to.
func ParseTable(r io.Reader, path string) (*Table, error) {
	t := &Table{Path: path}
	br := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := br.ReadString('\n')
		last := errors.Is(err, io.EOF)
		if err != nil && !last {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		if row, ok := parseRow(strings.TrimSuffix(line, "\n")); ok {
			row.line = n
			t.rows = append(t.rows, row)
		}
		if last {
			return t, nil
		}
	}
}

// parseRow reads "owner:start:count". It is as strict as newuidmap, which
// ignores what it does not understand; ok is false where nobody is named.
func parseRow(line string) (row, bool) {
	owner, rest, found := strings.Cut(line, ":")
	if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
		return row{}, false
	}
	out := row{owner: strings.TrimSpace(owner)}
	start, count, two := strings.Cut(rest, ":")
	count, _, _ = strings.Cut(count, ":") // what follows is ignored by newuidmap too
	switch {
	case len(line) > maxLine:
		out.err = fmt.Errorf("line of %d bytes, newuidmap reads %d", len(line), maxLine)
	case strings.HasSuffix(line, "\r"):
		out.err = errors.New("ends in a carriage return, so newuidmap ignores it")
	case !found || !two:
		out.err = fmt.Errorf("%q is not owner:start:count", line)
	default:
		out.r, out.err = parseRange(start, count)
	}
	return out, true
}

func parseRange(start, count string) (Range, error) {
	s, err := strconv.ParseUint(start, 10, 64)
	if err != nil {
		return Range{}, fmt.Errorf("start %q is not a number", start)
	}
	c, err := strconv.ParseUint(count, 10, 64)
	if err != nil {
		return Range{}, fmt.Errorf("count %q is not a number", count)
	}
	if c == 0 {
		return Range{}, errors.New("count is 0")
	}
	// The last ID is not one: (uid_t)-1 means "no user".
	if s > noID || c > noID || s+c > noID {
		return Range{}, fmt.Errorf("%s:%s goes past the last ID, %d", start, count, uint32(noID-1))
	}
	return Range{uint32(s), uint32(c)}, nil
}

// Ranges is what the table gives to u, in the order of the file. A line of u
// that cannot be used is an error that names it; no line is ErrNoSubIDs.
func (t *Table) Ranges(u User) ([]Range, error) {
	var out []Range
	for _, row := range t.rows {
		if !u.owns(row.owner) {
			continue
		}
		if row.err != nil {
			return nil, hint.New(fmt.Errorf("%s:%d: line of %s: %w", t.Path, row.line, u, row.err),
				fmt.Sprintf("sudo sed -i %dd %s && sudo usermod %s %s", row.line, t.Path, t.addFlag(), u))
		}
		if !slices.Contains(out, row.r) { // the same range by name and by number is one
			out = append(out, row.r)
		}
	}
	if len(out) == 0 {
		return nil, hint.New(fmt.Errorf("%w for %s in %s", ErrNoSubIDs, u, t.Path),
			fmt.Sprintf("sudo usermod %s %s", t.addFlag(), u))
	}
	return out, nil
}

// Owner says whose sub-ID id is, if anybody's. Two owners of one ID are
// possible: the first line wins.
func (t *Table) Owner(id uint32) (string, bool) {
	for _, row := range t.rows {
		if row.err == nil && row.r.Contains(id) {
			return row.owner, true
		}
	}
	return "", false
}

// addFlag is the option of usermod(8) that appends a free range to the table.
func (t *Table) addFlag() string {
	const size = 65536
	start := t.free(size)
	flag := "--add-subuids"
	if strings.Contains(t.Path, "gid") {
		flag = "--add-subgids"
	}
	return fmt.Sprintf("%s %d-%d", flag, start, start+size-1)
}

// Grant is the command that gives user sub-IDs which nobody has, as far as the files
// of this host say. It is for hints: what cannot be read counts as empty.
func Grant(user string) string {
	table := func(path string) *Table {
		if f, err := os.Open(path); err == nil {
			defer f.Close()
			if t, err := ParseTable(io.LimitReader(f, 1<<20), path); err == nil {
				return t
			}
		}
		return &Table{Path: path}
	}
	return fmt.Sprintf("usermod %s %s %s", table("/etc/subuid").addFlag(), table("/etc/subgid").addFlag(), user)
}

// free is where count IDs that nobody has begin, from where useradd starts.
func (t *Table) free(count uint32) uint32 {
	start := uint32(100000)
	rows := slices.Clone(t.rows)
	slices.SortFunc(rows, func(a, b row) int { return int(int64(a.r.Start) - int64(b.r.Start)) })
	for _, row := range rows {
		if row.err == nil && row.r.Overlaps(Range{start, count}) && row.r.end()+uint64(count) < noID {
			start = uint32(row.r.end())
		}
	}
	return start
}

// SubIDs are a user's subordinate IDs in the order of the files.
type SubIDs struct {
	UIDs []Range `json:"uids"`
	GIDs []Range `json:"gids"`
}

// Anchor is the map of the anchor namespace: 0 is the user, 1 to N are the
// ranges in order. Where self is 0, host root, it stays outside: the first
// sub-ID takes its place, and nothing in any container is host root.
func Anchor(self uint32, ranges []Range) Map {
	m := Map{{Container: 0, Host: self, Count: 1}}
	next := uint32(1)
	if self == 0 {
		m, next = nil, 0
	}
	for _, r := range ranges {
		m = append(m, Extent{Container: next, Host: r.Start, Count: r.Count})
		next += r.Count
	}
	return m
}

// Available is how many IDs beside 0 an anchor has both as user and as group
// IDs: what a Ledger can give away.
func Available(uids, gids Map) uint32 {
	n := min(uids.Size(), gids.Size())
	if n == 0 {
		return 0
	}
	return uint32(min(n, noID) - 1)
}

// ParseGetsubids reads the output of getsubids(1) for u: "0: alice 100000 65536".
func ParseGetsubids(r io.Reader, u User) ([]Range, error) {
	var out []Range
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		if len(f) != 4 || !strings.HasSuffix(f[0], ":") || !u.owns(f[1]) {
			continue
		}
		got, err := parseRange(f[2], f[3])
		if err != nil {
			return nil, fmt.Errorf("getsubids: line %q: %w", sc.Text(), err)
		}
		if !slices.Contains(out, got) {
			out = append(out, got)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("read getsubids: %w", err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w for %s from getsubids", ErrNoSubIDs, u)
	}
	return out, nil
}
