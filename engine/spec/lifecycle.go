package spec

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/docker/go-units"
)

// ParseLogDriver reads --log-driver.
func ParseLogDriver(value string) (string, error) {
	known := []string{LogK8sFile, LogJSONFile, LogJournald, LogPassthrough, LogNone}
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
	case "path":
		if err := checkText(val); err != nil || val == "" {
			return bad(value, "needs a file name")
		}
		l.Path = val
	case "tag":
		if _, err := ExpandTag(val, LogTag{}); err != nil {
			return badErr(value, err)
		}
		l.Tag = val
	default:
		return bad(value, "unknown log option; there are max-size, max-file, path and tag")
	}
	return nil
}

// LogTag is what the template of --log-opt tag sees: Docker's names.
type LogTag struct {
	ID, FullID, Name, Command string // ID: the first twelve digits
	ImageName, ImageFullName  string
	ImageID, ImageFullID      string
}

// maxTag bounds what is sent with every line.
const maxTag = 4 << 10

// ExpandTag is the tag of one container.
func ExpandTag(text string, of LogTag) (string, error) {
	t, err := template.New("tag").Parse(text)
	if err != nil {
		return "", errors.New("is no Go template")
	}
	var b strings.Builder
	if err := t.Execute(&b, of); err != nil {
		return "", errors.New("names what a container has not; there are .ID, .FullID, .Name, .Command, .ImageName, .ImageID")
	}
	if b.Len() > maxTag {
		return "", errors.New("is too long")
	}
	return b.String(), nil
}

// checkLog refuses options that the driver would ignore.
func (s *Spec) checkLog() error {
	l := s.Log
	file := l.Driver == "" || l.Driver == LogK8sFile || l.Driver == LogJSONFile
	switch {
	case !file && (l.MaxSize != 0 || l.MaxFile != 0 || l.Path != ""):
		return conflict("--log-opt max-size, max-file and path are of k8s-file and json-file, not of --log-driver=%s", l.Driver)
	case l.Tag != "" && l.Driver != LogJournald:
		return conflict("--log-opt tag is of --log-driver=journald only")
	case l.Stored() && len(s.Stdio.PreserveFDs) > 0:
		return conflict("--preserve-fds and --log-driver=%s", l.Driver)
	case l.Driver == LogPassthrough && s.Stdio.TTY:
		return conflict("--tty and --log-driver=passthrough")
	}
	return nil
}

// ParseSDNotify reads --sdnotify. The empty value asks for the default.
func ParseSDNotify(value string) (SDNotify, error) {
	switch n := SDNotify(value); n {
	case "container":
		return SDNotifyContainer, nil
	case SDNotifyContainer, SDNotifyConmon, SDNotifyHealthy, SDNotifyIgnore:
		return n, nil
	}
	return "", bad(value, "is not one of container, conmon, healthy, ignore")
}

// ParseSystemd reads --systemd.
func ParseSystemd(value string) (Systemd, error) {
	switch s := Systemd(strings.ToLower(value)); s {
	case SystemdTrue, SystemdAlways, SystemdFalse:
		return s, nil
	case SystemdAuto:
	}
	return "", bad(value, "is not one of true, false, always")
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
