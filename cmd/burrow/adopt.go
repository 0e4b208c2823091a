package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/burrow-run/burrow/engine/plan"
	"github.com/burrow-run/burrow/internal/hint"
)

// adopt has the plan made of an image in an additional store.
func adopt(ctx context.Context, image string) error {
	const notThere = 1 // as the other executable says it
	cmd, err := imageTool(ctx, "adopt", "--", image)
	if err != nil {
		return err
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit) && exit.ExitCode() == notThere:
		return fmt.Errorf("%w: %q", plan.ErrNotFound, image)
	}
	why, advice, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(said.String(), "burrow: error: ")), "\nhint: ")
	return hint.New(errors.New(orElse(why, err.Error())), advice)
}
