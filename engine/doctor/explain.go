package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// Explain adds to err, an error of making namespaces or of mapping IDs, the
// cause that the doctor finds for it and the command that removes it. Only the
// likely causes are looked at, a few milliseconds. Where none is found, and
// where err carries advice already, err comes back as it is.
func Explain(ctx context.Context, env Env, err error) error {
	return explain(ctx, env, err, []check{
		checkUserNamespace, checkLimits, checkSubIDs, checkMapHelpers,
		checkNamespaces, checkRuntimeDir, checkDirs,
	})
}

// ExplainStart does the same for a container that could not be built, from within
// the anchor: there only making a user namespace can still fail because of the host.
func ExplainStart(ctx context.Context, env Env, err error) error {
	return explain(ctx, env, err, []check{checkUserNamespace})
}

func explain(ctx context.Context, env Env, err error, causes []check) error {
	if err == nil || hint.Of(err) != "" {
		return err
	}
	for _, f := range run(ctx, env, causes) {
		if f.Status != Fail {
			continue
		}
		if !strings.Contains(err.Error(), f.Detail) {
			err = fmt.Errorf("%w (%s)", err, f.Detail)
		}
		return hint.New(err, f.Fix)
	}
	return err
}
