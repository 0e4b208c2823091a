package launch

import (
	"encoding/json"

	"github.com/opencontainers/runc/libcontainer"
)

// Prepare does what Create would do for the first time in this process and wait for. It
// is meant to run beside the steps before: encoding/json looks at the fields of
// libcontainer's types, of which there are hundreds. It mustn't start a process, which
// would be in the way of a cgroup that is to pass its controllers on.
func Prepare() { _, _ = json.Marshal(libcontainer.State{}) }
