package image

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// applyChanges applies instructions in a Dockerfile's spelling, as Podman's
// --change takes them: "CMD ls", "CMD=ls", `ENTRYPOINT ["a","b"]`, "ENV k=v".
func applyChanges(c *runtimeConfig, changes []string) error {
	for _, change := range changes {
		if err := applyChange(c, change); err != nil {
			return fmt.Errorf("invalid change %q: %w", change, err)
		}
	}
	return nil
}

func applyChange(c *runtimeConfig, change string) error {
	at := strings.IndexAny(change, " \t=")
	if at <= 0 {
		return errors.New("not of the form INSTRUCTION VALUE")
	}
	value := strings.TrimSpace(change[at+1:])
	if value == "" {
		return errors.New("the value is empty")
	}
	switch strings.ToUpper(change[:at]) {
	case "CMD":
		c.Cmd = command(value)
	case "ENTRYPOINT":
		c.Entrypoint = command(value)
	case "ENV":
		return pairs(value, func(k, v string) { c.Env = setEnv(c.Env, k, v) })
	case "LABEL":
		if c.Labels == nil {
			c.Labels = map[string]string{}
		}
		return pairs(value, func(k, v string) { c.Labels[k] = v })
	case "EXPOSE":
		return expose(c, value)
	case "VOLUME":
		return volumes(c, value)
	case "STOPSIGNAL":
		c.StopSignal = value
	case "USER":
		c.User = value
	case "WORKDIR":
		if !strings.HasPrefix(value, "/") {
			return errors.New("the directory is not absolute")
		}
		c.WorkingDir = value
	case "HEALTHCHECK":
		return healthInstruction(c, value)
	case "ONBUILD":
		c.OnBuild = append(c.OnBuild, value)
	default:
		return hint.New(errors.New("unknown instruction"), "use CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME or WORKDIR")
	}
	return nil
}

// command is a JSON list, or text for the shell.
func command(value string) []string {
	if list, ok := jsonList(value); ok {
		return list
	}
	return []string{"/bin/sh", "-c", value}
}

func jsonList(value string) ([]string, bool) {
	var list []string
	if !strings.HasPrefix(value, "[") || json.Unmarshal([]byte(value), &list) != nil {
		return nil, false
	}
	return list, true
}

func setEnv(env []string, key, value string) []string {
	for i, e := range env {
		if k, _, _ := strings.Cut(e, "="); k == key {
			env[i] = key + "=" + value
			return env
		}
	}
	return append(env, key+"="+value)
}

func expose(c *runtimeConfig, value string) error {
	if c.ExposedPorts == nil {
		c.ExposedPorts = map[string]struct{}{}
	}
	for port := range strings.FieldsSeq(value) {
		if !strings.Contains(port, "/") {
			port += "/tcp"
		}
		num, proto, _ := strings.Cut(port, "/")
		if proto != "tcp" && proto != "udp" && proto != "sctp" || strings.Trim(num, "0123456789-") != "" || num == "" {
			return fmt.Errorf("%q is no port", port)
		}
		c.ExposedPorts[port] = struct{}{}
	}
	return nil
}

func volumes(c *runtimeConfig, value string) error {
	list, ok := jsonList(value)
	if !ok {
		list = strings.Fields(value)
	}
	if c.Volumes == nil {
		c.Volumes = map[string]struct{}{}
	}
	for _, v := range list {
		if v == "" {
			return errors.New("a volume is empty")
		}
		c.Volumes[v] = struct{}{}
	}
	return nil
}

// pairs calls set for each of `k=v k2="v 2"`, or for the old form `k v`.
func pairs(value string, set func(k, v string)) error {
	words, err := split(value)
	if err != nil {
		return err
	}
	if k, v, ok := strings.Cut(value, " "); ok && !strings.Contains(k, "=") {
		set(k, strings.TrimSpace(v))
		return nil
	}
	for _, w := range words {
		k, v, ok := strings.Cut(w, "=")
		if !ok || k == "" {
			return fmt.Errorf("%q is not of the form KEY=VALUE", w)
		}
		set(k, v)
	}
	return nil
}

// split cuts at blanks that stand neither in quotes nor behind a backslash.
func split(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	var quote rune
	in, escaped := false, false
	for _, r := range s {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, in = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, in = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			if in {
				words = append(words, word.String())
				word.Reset()
			}
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("a quote is not closed")
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}
