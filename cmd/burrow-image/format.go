package main

import (
	"encoding/json"
	"io"
)

// imageColumn is the least width of a column of images, Podman's.
const imageColumn = 12

// printJSON writes v as Podman does: indented.
func printJSON(out io.Writer, v any, indent string) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	return enc.Encode(v)
}
