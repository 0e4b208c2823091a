// Command cases makes use of the table of known attacks (test/cases):
//
//	go run ./hack/cases doc             write the table into docs/security.md
//	go run ./hack/cases run [ID...]     run its tests, print it with the results
//	go run ./hack/cases controls [NAME...]  take each listed mitigation out of the
//	                                    code and demand that its test fails
//
// It exits with 1 if a test fails or does not run, or if a control does not fail.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"

	"github.com/burrow-run/burrow/test/cases"
)

const document = "docs/security.md"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cases:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: cases doc|run|controls [ID...]")
	}
	rows := cases.Rows()
	if args[0] == "controls" {
		return runControls(ctx, args[1:])
	}
	if ids := args[1:]; len(ids) > 0 {
		rows = slices.DeleteFunc(rows, func(r cases.Row) bool { return !slices.Contains(ids, r.ID) })
	}
	switch args[0] {
	case "doc":
		return write(cases.Rows())
	case "run":
		return runTests(ctx, rows)
	}
	return fmt.Errorf("no such command: %s", args[0])
}

func write(rows []cases.Row) error {
	old, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	text, err := cases.Document(string(old), rows)
	if err != nil {
		return fmt.Errorf("%s: %w", document, err)
	}
	return os.WriteFile(document, []byte(text), 0o644)
}
