package spec

import (
	"encoding/json"
	"strings"
	"time"
)

// ParseHealthCmd reads the value of --health-cmd into the form that images use:
// a JSON array is executed, anything else given to a shell, "none" disables.
func ParseHealthCmd(value string) ([]string, error) {
	if value == "" {
		return nil, bad(value, "is empty")
	}
	if err := CheckArgs([]string{value}); err != nil {
		return nil, err
	}
	if value == "none" {
		return []string{"NONE"}, nil
	}
	if strings.HasPrefix(value, "[") {
		var words []string
		if err := json.Unmarshal([]byte(value), &words); err == nil && len(words) > 0 {
			return append([]string{"CMD"}, words...), CheckArgs(words)
		}
	}
	return []string{"CMD-SHELL", value}, nil
}

// ParseHealthDuration reads a duration such as 30s.
func ParseHealthDuration(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 || (d > 0 && d < time.Millisecond) {
		return 0, bad(value, "is not a duration such as 30s")
	}
	return d, nil
}
