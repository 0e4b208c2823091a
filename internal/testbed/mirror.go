package testbed

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

var errNoMirror = errors.New("mirror: /etc/apt names no Debian mirror")

// Mirror returns the Debian mirror that apt uses on this host, without a slash at
// the end (sources.list(5), both formats).
func Mirror() (string, error) {
	files, err := filepath.Glob("/etc/apt/sources.list.d/*")
	if err != nil {
		return "", err
	}
	for _, file := range append(files, "/etc/apt/sources.list") {
		content, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
		if uri := mirrorIn(string(content)); uri != "" {
			return uri, nil
		}
	}
	return "", errNoMirror
}

func mirrorIn(sources string) string {
	for line := range strings.Lines(sources) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "URIs:" && words[0] != "deb" {
			continue
		}
		i := slices.IndexFunc(words, func(w string) bool {
			return strings.Contains(w, "://") && strings.Contains(w, "debian") && !strings.Contains(w, "security")
		})
		if i > 0 {
			return strings.TrimRight(words[i], "/")
		}
	}
	return ""
}
