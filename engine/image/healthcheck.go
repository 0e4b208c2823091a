package image

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// healthInstruction is HEALTHCHECK of a Dockerfile: NONE, or [OPTIONS] CMD COMMAND.
func healthInstruction(c *runtimeConfig, value string) error {
	h := &healthcheck{}
	for strings.HasPrefix(value, "--") {
		option, rest, _ := strings.Cut(value, " ")
		if err := h.setOption(option); err != nil {
			return err
		}
		value = strings.TrimSpace(rest)
	}
	word, command, _ := strings.Cut(value, " ")
	command = strings.TrimSpace(command)
	switch strings.ToUpper(word) {
	case "NONE":
		if command != "" || h.configured() {
			return errors.New("HEALTHCHECK NONE takes nothing else")
		}
		h.Test = []string{"NONE"}
	case "CMD":
		if command == "" {
			return errors.New("HEALTHCHECK CMD needs a command")
		}
		h.Test = []string{"CMD-SHELL", command}
		if list, ok := jsonList(command); ok {
			h.Test = append([]string{"CMD"}, list...)
		}
		if len(h.Test) < 2 {
			return errors.New("HEALTHCHECK CMD needs a command")
		}
	default:
		return errors.New("HEALTHCHECK takes CMD COMMAND or NONE")
	}
	c.Healthcheck = h
	return nil
}

func (h *healthcheck) configured() bool {
	return h.Interval != 0 || h.Timeout != 0 || h.StartPeriod != 0 || h.StartInterval != 0 || h.Retries != 0
}

func (h *healthcheck) setOption(option string) error {
	name, value, _ := strings.Cut(strings.TrimPrefix(option, "--"), "=")
	if name == "retries" {
		n, err := strconv.ParseUint(value, 10, 16)
		if err != nil {
			return fmt.Errorf("%q is no number of retries", option)
		}
		h.Retries = int(n)
		return nil
	}
	field, ok := map[string]*time.Duration{
		"interval": &h.Interval, "timeout": &h.Timeout, "start-period": &h.StartPeriod, "start-interval": &h.StartInterval,
	}[name]
	if !ok {
		return fmt.Errorf("HEALTHCHECK has no option %q", option)
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < 0 || d > 0 && d < time.Millisecond {
		return fmt.Errorf("%q is no duration such as 30s", option)
	}
	*field = d
	return nil
}
