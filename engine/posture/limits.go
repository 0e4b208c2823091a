package posture

import (
	"os"
	"strings"
)

// limits are those that are not the caller's own.
func (o Observer) limits(pid int) Facts {
	mine, out := Limits(o.self()), Facts{}
	for name, value := range Limits(pid) {
		if value != mine[name] {
			out[name] = value
		}
	}
	return out
}

// Limits are a process's resource limits, by the kernel's words for them, as
// SOFT:HARD. There are none of a process that has ended.
func Limits(pid int) Facts {
	out := Facts{}
	b, err := os.ReadFile(path(pid, "limits"))
	if err != nil {
		return out
	}
	for line := range strings.Lines(string(b)) {
		name, ok := strings.CutPrefix(line, "Max ")
		name, values, cut := strings.Cut(name, "  ") // the columns are padded
		if f := strings.Fields(values); ok && cut && len(f) >= 2 {
			out[name] = f[0] + ":" + f[1]
		}
	}
	return out
}
