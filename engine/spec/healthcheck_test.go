package spec

import (
	"errors"
	"slices"
	"testing"
)

func TestHealthCmd(t *testing.T) {
	for value, want := range map[string][]string{
		"curl localhost":   {"CMD-SHELL", "curl localhost"},
		`["curl", "a b"]`:  {"CMD", "curl", "a b"},
		`["curl"`:          {"CMD-SHELL", `["curl"`},
		`[ -e /ok ]`:       {"CMD-SHELL", `[ -e /ok ]`},
		`[]`:               {"CMD-SHELL", `[]`},
		"none":             {"NONE"},
		"echo none; false": {"CMD-SHELL", "echo none; false"},
	} {
		if got, err := ParseHealthCmd(value); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", value, got, err, want)
		}
	}
	for _, value := range []string{"", "a\x00b", `["a\u0000b"]`} {
		if _, err := ParseHealthCmd(value); err == nil {
			t.Errorf("%q is accepted", value)
		}
	}
}

func TestHealthConflicts(t *testing.T) {
	for name, change := range map[string]func(*Spec){
		"disabled and startup": func(s *Spec) {
			s.Healthcheck = &Healthcheck{Disable: true, Startup: &StartupCheck{Test: []string{"CMD", "x"}}}
		},
		"disabled and action": func(s *Spec) { s.Healthcheck = &Healthcheck{Disable: true, OnFailure: HealthKill} },
		"--rm and restart":    func(s *Spec) { s.Remove, s.Healthcheck = true, &Healthcheck{OnFailure: HealthRestart} },
		"--rm and startup retries": func(s *Spec) {
			s.Remove, s.Healthcheck = true, &Healthcheck{Startup: &StartupCheck{Test: []string{"CMD", "x"}, Retries: 1}}
		},
		"descriptors and a restart": func(s *Spec) { s.Stdio.PreserveFDs, s.Healthcheck = []int{3}, &Healthcheck{OnFailure: HealthRestart} },
	} {
		if err := image(change).Validate(); !errors.Is(err, ErrConflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*Spec){
		"log":     func(s *Spec) { s.Healthcheck = &Healthcheck{MaxLogCount: MostHealthLogs + 1} },
		"size":    func(s *Spec) { s.Healthcheck = &Healthcheck{MaxLogSize: MostHealthLogSize + 1} },
		"NUL":     func(s *Spec) { s.Healthcheck = &Healthcheck{Test: []string{"CMD", "a\x00"}} },
		"startup": func(s *Spec) { s.Healthcheck = &Healthcheck{Startup: &StartupCheck{}} },
	} {
		if err := image(change).Validate(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for _, fine := range []*Healthcheck{{}, {Disable: true}, {OnFailure: HealthKill}, {Startup: &StartupCheck{Test: []string{"CMD", "x"}}}} {
		s := image(func(s *Spec) { s.Remove, s.Healthcheck = true, fine })
		if err := s.Validate(); err != nil || s.Healthcheck.Restarts() {
			t.Errorf("%+v: %v", fine, err)
		}
	}
}
