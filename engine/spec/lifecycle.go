package spec

import (
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"
)

// ParseLogDriver reads --log-driver.
func ParseLogDriver(value string) (string, error) {
	known := []string{"k8s-file", "json-file", "passthrough", "none"}
	if !slices.Contains(known, value) {
		return "", bad(value, "is not one of "+strings.Join(known, ", "))
	}
	return value, nil
}

// SetOption reads one --log-opt.
func (l *Log) SetOption(value string) error {
	key, val, ok := strings.Cut(value, "=")
	if !ok {
		return bad(value, "needs KEY=VALUE")
	}
	switch key {
	case "max-size":
		n, err := units.RAMInBytes(val)
		if err != nil || n < 0 {
			return bad(value, "needs a size such as 10m")
		}
		l.MaxSize = n
	case "max-file":
		n, err := strconv.Atoi(val)
		if err != nil || n < 1 || n > 1000 {
			return bad(value, "needs a number from 1 to 1000")
		}
		l.MaxFile = n
	default:
		return bad(value, "unknown log option; there are max-size and max-file")
	}
	return nil
}

// ParseRestart reads --restart.
func ParseRestart(value string) (Restart, error) {
	name, limit, hasMax := strings.Cut(value, ":")
	r := Restart{Policy: RestartPolicy(name)}
	switch r.Policy {
	case "no":
		r.Policy = RestartNo
	case RestartNo, RestartAlways, RestartUnlessStopped:
	case RestartOnFailure:
		if !hasMax {
			return r, nil
		}
		n, err := strconv.Atoi(limit)
		if err != nil || n < 1 {
			return Restart{}, bad(value, "the number of attempts must be positive")
		}
		r.Max = n
		return r, nil
	default:
		return Restart{}, bad(value, "is not one of no, on-failure[:N], always, unless-stopped")
	}
	if hasMax {
		return Restart{}, bad(value, "only on-failure takes a number of attempts")
	}
	return r, nil
}
