package spec

import (
	"io"
	"strings"
)

// ParseLabel reads one --label or --annotation value: KEY=VALUE or KEY.
func ParseLabel(value string) (key, val string, err error) {
	key, val, _ = strings.Cut(value, "=")
	if strings.TrimSpace(key) == "" {
		return "", "", bad(value, "has no name")
	}
	if err := checkText(value); err != nil {
		return "", "", badErr(value, err)
	}
	return key, val, nil
}

// ParseLabelFile reads a --label-file, whose lines are as [ParseLabel] takes
// them; blank lines and lines beginning with # are skipped.
func ParseLabelFile(r io.Reader) (map[string]string, error) {
	labels := map[string]string{}
	err := eachLine(r, func(line string) error {
		k, v, err := ParseLabel(line)
		if err == nil {
			labels[k] = v
		}
		return err
	})
	return labels, err
}

// ParseAnnotation reads one --annotation value, KEY=VALUE. Keys by which OCI
// runtimes set properties of systemd units are refused: an annotation describes
// a container and configures nothing on the host (CVE-2024-3154).
func ParseAnnotation(value string) (key, val string, err error) {
	if !strings.Contains(value, "=") {
		return "", "", bad(value, "has no '='")
	}
	key, val, err = ParseLabel(value)
	if err == nil && strings.HasPrefix(key, "org.systemd.property.") {
		return "", "", bad(value, "would change the host's systemd unit")
	}
	return key, val, err
}
