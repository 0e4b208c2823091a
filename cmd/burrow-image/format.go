package main

import (
	"io"

	"github.com/burrow-run/burrow/internal/format"
)

// imageColumn is the least width of a column of images, Podman's.
const imageColumn = 12

// printJSON writes v as Podman does: indented.
func printJSON(out io.Writer, v any, indent string) error {
	return format.JSON(out, v, indent)
}
