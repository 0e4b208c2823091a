package engine

import (
	"context"
	"errors"

	"github.com/burrow-run/burrow/internal/paths"
)

// Prune removes the containers that do not run and that the filter chooses, and
// returns their IDs. One that starts meanwhile stays. What killed commands have left
// goes too.
func Prune(ctx context.Context, d paths.Dirs, f *Filter) (removed []string, err error) {
	records, _, err := List(d)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if r.Running() || r.starting() || !f.Match(*r) {
			continue
		}
		id, e := Remove(ctx, d, r.ID, false)
		switch {
		case errors.Is(e, ErrNoContainer), errors.Is(e, ErrRunning), errors.Is(e, errClaimed), errors.Is(e, ErrRequired):
		case e != nil:
			err = errors.Join(err, e)
		default:
			removed = append(removed, id)
		}
	}
	reclaimAll(d)
	return removed, err
}
