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
	if err == nil || hint.Of(err) != "" {
		return err
	}
	causes := []check{
		checkUserNamespace, checkLimits, checkSubIDs, checkMapHelpers,
		checkNamespaces, checkRuntimeDir, checkDirs,
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
