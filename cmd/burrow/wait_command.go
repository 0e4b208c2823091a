package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/burrow-run/burrow/engine"
)

// defaultPoll is how often `wait` looks at what a process's end does not tell.
const defaultPoll = 50 * time.Millisecond

func (a *app) waitCommand() *cobra.Command {
	var names []string
	var every string
	var pick selection
	cmd := &cobra.Command{
		Use: "wait [OPTIONS] CONTAINER [CONTAINER...]", Short: "Wait until containers have ended and print their exit codes",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, _, err := whoAmI()
			if err != nil {
				return err
			}
			if args, err = pick.choose(c, args, nil); err != nil {
				return err
			}
			interval, err := pollInterval(every)
			if err != nil {
				return err
			}
			var conds []engine.Condition
			for _, name := range names {
				cond, err := engine.ParseCondition(name)
				if err != nil {
					return fmt.Errorf("--condition %w", err)
				}
				conds = append(conds, cond)
			}
			if len(conds) == 0 {
				conds = []engine.Condition{"stopped"}
			}
			return a.each(args, func(ref string) error {
				code, err := engine.WaitFor(cmd.Context(), c.dirs, ref, conds, interval)
				if errors.Is(err, engine.ErrNoContainer) && pick.ignore {
					err = nil // the code is -1, as Podman's
				}
				if err == nil {
					fmt.Fprintln(a.out, code)
				}
				return err
			})
		},
	}
	cmd.Flags().StringSliceVar(&names, "condition", nil, "wait until `STATE` holds, or one of several: running, stopped, paused, healthy, unhealthy, … (default stopped)")
	cmd.Flags().StringVarP(&every, "interval", "i", "", "look each `DURATION`; a number alone is milliseconds")
	pick.define(cmd.Flags(), "latest", "filter", "cidfile", "ignore-long")
	return cmd
}

// pollInterval reads --interval as Podman does.
func pollInterval(text string) (time.Duration, error) {
	if text == "" {
		return defaultPoll, nil
	}
	d, err := time.ParseDuration(text)
	if ms, numErr := strconv.Atoi(text); numErr == nil {
		d, err = time.Duration(ms)*time.Millisecond, nil
	}
	if err != nil || d < time.Millisecond {
		return 0, fmt.Errorf("--interval %q: is not a duration of 1ms or more, such as 250ms", text)
	}
	return d, nil
}
