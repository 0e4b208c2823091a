// Package hint attaches advice to errors: the one command or sentence that
// removes the cause. The advice is not part of the error text; the command
// line prints it on a line of its own.
package hint

import "errors"

type hinted struct {
	err    error
	advice string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// New returns err carrying advice. A nil err stays nil. Where err carries
// advice already, the outer one wins, being nearer to what the user typed.
func New(err error, advice string) error {
	if err == nil {
		return nil
	}
	return &hinted{err: err, advice: advice}
}

// Of returns the outermost advice that err carries, or "".
func Of(err error) string {
	var h *hinted
	if errors.As(err, &h) {
		return h.advice
	}
	return ""
}
