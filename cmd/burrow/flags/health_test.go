package flags

import (
	"strings"
	"testing"
)

func TestHealthErrors(t *testing.T) {
	for argv, want := range map[string]string{
		"--health-cmd x --health-on-failure x i":       `--health-on-failure "x": is not one of none, kill, restart, stop`,
		"--health-cmd x --health-startup-retries 2 i":  `--health-startup-cmd COMMAND is what the other --health-startup flags need`,
		"--health-cmd x --health-startup-cmd none i":   `--health-startup-cmd "none": is no command`,
		"--health-max-log-count 0 i":                   `--health-max-log-count "0": a log without a bound is not supported by this version`,
		"--health-max-log-size 65537 i":                `--health-max-log-size "65537": is not a number from 1 to 65536`,
		"--health-log-destination events_logger i":     `--health-log-destination "events_logger" is not supported by this version: burrow events has each change of the status, not each check`,
		"--health-log-destination /dev/null i":         `--health-log-destination "/dev/null": is not a directory`,
		"--health-start-interval x i":                  `--health-start-interval "x": is not a duration such as 30s`,
		"--rm --health-on-failure restart i":           `conflicting options: --rm removes what a failing health check is to restart`,
		"--health-cmd none --health-on-failure kill i": `conflicting options: a health check that is disabled, and flags for it`,
	} {
		_, _, err := translate(strings.Fields(argv)...)
		if err == nil || err.Error() != want {
			t.Errorf("%s:\n got %v\nwant %s", argv, err, want)
		}
	}
	// What is so anyway is no wish for a health check.
	for _, argv := range [][]string{{"--health-on-failure=none"}, {"--health-log-destination=local"}, {"--health-startup-cmd="}} {
		if got := mustTranslate(t, append(argv, "img")...); got.Healthcheck != nil {
			t.Errorf("%q: %+v", argv, got.Healthcheck)
		}
	}
}
