package slirp

import "strings"

// nearest is the word of known that a typing error away from s, or "".
func nearest(s string, known []string) string {
	best, word := 3, ""
	for _, k := range known {
		bare, _, _ := strings.Cut(k, ":")
		d := distance(strings.ToLower(s), bare)
		if len(s) >= 4 && strings.HasPrefix(bare, strings.ToLower(s)) {
			d = 1
		}
		if d < best && d < len(bare)-1 {
			best, word = d, k
		}
	}
	return word
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
