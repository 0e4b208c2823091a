package security

import (
	"fmt"
	"slices"
	"strings"

	"github.com/burrow-run/burrow/internal/hint"
)

// AppArmorState is what the kernel says about AppArmor.
type AppArmorState struct {
	Enabled bool
	// Profiles are the loaded ones, nil where the list may not be read.
	Profiles []string
}

// ownProfile is the profile for containers that Burrow ships.
const ownProfile = "burrow-default"

// appArmorProfile chooses the profile: the one asked for, else ours, else the
// one that Podman's packages load, else none. A profile asked for must be
// loaded, or the container does not start.
func appArmorProfile(o opts, privileged bool, st AppArmorState) (string, error) {
	switch {
	case o.appArmor == "unconfined", o.appArmor == "" && privileged:
		return "", nil
	case o.appArmor == "" && !st.Enabled:
		return "", nil
	case o.appArmor == "":
		return st.defaultProfile(), nil
	case !st.Enabled:
		return "", fmt.Errorf("%w: %s: the kernel has no AppArmor", ErrAppArmor, o.appArmor)
	case st.Profiles != nil && !slices.Contains(st.Profiles, o.appArmor):
		err := fmt.Errorf("%w: %s is not loaded", ErrAppArmor, o.appArmor)
		return "", hint.New(err, "sudo apparmor_parser -r /etc/apparmor.d/"+o.appArmor)
	}
	return o.appArmor, nil
}

func (st AppArmorState) defaultProfile() string {
	if slices.Contains(st.Profiles, ownProfile) {
		return ownProfile
	}
	best := ""
	for _, p := range st.Profiles {
		if p > best && (p == "containers-default" || strings.HasPrefix(p, "containers-default-")) {
			best = p
		}
	}
	return best
}

func appArmorDeviations(o opts, privileged bool, st AppArmorState) []Deviation {
	if privileged || !st.Enabled || o.appArmor == "" {
		return nil
	}
	if o.appArmor == "unconfined" {
		return []Deviation{{
			ID: "apparmor-unconfined", Layer: "apparmor", Flag: "--security-opt apparmor=unconfined",
			Meaning: "no AppArmor profile beyond the user's own",
		}}
	}
	return []Deviation{{
		ID: "apparmor-profile", Layer: "apparmor", Flag: "--security-opt apparmor=" + o.appArmor,
		Meaning: "the AppArmor profile is the user's choice",
	}}
}
