package testbed

import (
	"fmt"
	"time"
)

// Host is a machine that is worse than this one. Setup is shell run by root in a
// mount namespace of its own, so the machine itself stays as it is; $USER_,
// $UID_ and $GID_ are the user's, $SCRATCH is an empty directory.
type Host struct {
	Setup string
	// OwnUserNamespace gives the host limits of its own (sysctl user.*): a user
	// namespace that maps every ID to itself.
	OwnUserNamespace bool
}

// Without hides files of /usr/bin.
func Without(programs ...string) Host {
	s := overlayUsrBin
	for _, p := range programs {
		s += fmt.Sprintf("mknod $SCRATCH/upper/%s c 0 0\n", p)
	}
	return Host{Setup: s + mountUsrBin}
}

// PlainNewuidmap takes the privilege from newuidmap and newgidmap.
func PlainNewuidmap() Host {
	return Host{Setup: overlayUsrBin +
		"for p in newuidmap newgidmap; do cp /usr/bin/$p $SCRATCH/upper/; chmod 0755 $SCRATCH/upper/$p; done\n" +
		mountUsrBin}
}

// overlay wants upper and work on one file system that is not itself an overlay.
const (
	overlayUsrBin = "mount -t tmpfs scratch $SCRATCH; mkdir $SCRATCH/upper $SCRATCH/work\n"
	mountUsrBin   = "mount -t overlay -o lowerdir=/usr/bin,upperdir=$SCRATCH/upper,workdir=$SCRATCH/work overlay /usr/bin\n"
)

// SubIDs replaces /etc/subuid and /etc/subgid by what sed makes of them.
func SubIDs(sed string) Host {
	return Host{Setup: `for f in subuid subgid; do
	sed "` + sed + `" /etc/$f >$SCRATCH/$f
	mount --bind $SCRATCH/$f /etc/$f
done
`}
}

// untilShortlyBefore leaves a child time to report before its parent is stopped.
func untilShortlyBefore(d time.Time) time.Duration {
	return max(time.Until(d)-2*time.Second, time.Second).Round(time.Second)
}
